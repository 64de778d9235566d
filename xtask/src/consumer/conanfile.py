"""V8 for Conan 2, out of the unpacked archive that this file lies in. Nothing is compiled or fetched.

    conan export-pkg .        # in the archive's folder

makes the package v8/<V8's version>. The archive's own files for CMake and pkg-config are part of it: find_package(V8 CONFIG)
then has V8::capi, the C interface, and V8::v8, V8's own. What other generators need is read from V8.json.
"""

import json
import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy

required_conan_version = ">=2.0"

# Words of a Rust target triple, by which archives are named, as Conan's settings call them.
PROCESSORS = {"x86_64": "x86_64", "aarch64": "armv8"}
SYSTEMS = {"linux": "Linux", "windows": "Windows", "apple": "Macos"}


def descriptor(folder):
    with open(os.path.join(folder, "V8.json"), encoding="utf-8") as file:
        return json.load(file)


class V8(ConanFile):
    name = "v8"
    description = "V8 as a static library, with a C interface"
    license = "BSD-3-Clause"
    package_type = "static-library"
    # Neither compiler nor build type: what is C++ in the library, nobody else's C++ meets.
    settings = "os", "arch"
    exports = "V8.json"
    exports_sources = "*"

    def set_version(self):
        self.version = descriptor(self.recipe_folder)["v8_version"]

    def validate(self):
        v8 = descriptor(self.recipe_folder)
        words = v8["target"].split("-")
        system = next((name for word, name in SYSTEMS.items() if word in words), None)
        if (PROCESSORS.get(words[0]), system) != (str(self.settings.arch), str(self.settings.os)):
            raise ConanInvalidConfiguration(
                f"this archive is for {v8['target']}, not for {self.settings.os} on {self.settings.arch}"
            )

    def package(self):
        for name in ["V8.json", "include/*", "lib/*", "licenses/*"]:
            copy(self, name, src=self.source_folder, dst=self.package_folder)

    def package_info(self):
        v8 = descriptor(self.package_folder)
        # The archive's own files, which say more than Conan would write.
        self.cpp_info.set_property("cmake_find_mode", "none")
        capi = self.cpp_info.components["capi"]
        capi.builddirs = ["lib/cmake/V8"]
        capi.set_property("pkg_config_name", "v8-capi")
        capi.libs = [library["name"] for library in v8["libraries"]]
        capi.system_libs = v8["system_libraries"]
        capi.frameworks = v8["frameworks"]
        own = self.cpp_info.components["v8"]
        own.set_property("pkg_config_name", "v8")
        own.requires = ["capi"]
        own.includedirs = v8["cxx"]["include_dirs"]
        own.libdirs = []
        own.defines = v8["defines"] + v8["cxx"]["defines"]
        own.cxxflags = [f"-std={v8['cxx']['standard']}"] + v8["cxx"]["flags"]
        own.sharedlinkflags = own.exelinkflags = ["-nostdlib++"]
