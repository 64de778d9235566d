# Reads bills of materials and provenance as others do: by CycloneDX' published schema, and by the protocol buffers of
# in-toto and SLSA, which know no field that the specifications do not have.

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read()
    if path.endswith(".cdx.json"):
        fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
        if fault:
            sys.exit(f"{path}: {fault}")
    else:
        pb = json_format.Parse(text, statement_pb2.Statement())
        Statement.copy_from_pb(pb).validate()
        predicate = json_format.MessageToDict(pb.predicate)
        provenance = json_format.ParseDict(predicate, provenance_pb2.Provenance())
        for dependency in provenance.build_definition.resolved_dependencies:
            ResourceDescriptor.copy_from_pb(dependency).validate()
        for value in [provenance.build_definition.build_type, provenance.run_details.builder.id]:
            if ":" not in value:
                sys.exit(f"{path}: {value!r} is no URI")
    print(path, "is valid")
