"""Runs Node's configure and gyp for V8 alone, and writes ninja's files.

Node's configure decides what Node sets of V8, and lists ICU's sources; it would
then generate all of Node. Here it ends before that, and gyp is run on libv8.gyp.
Both write into the tree's root, where the other files look for what they wrote,
so one process at a time is let in.

usage: generate.py REQUEST.json
  tree        the folder of Node's tree, absolute
  out         the folder for ninja's, relative to it; gyp adds the configuration
  configure   arguments of Node's configure
  settings    files of gyp settings, relative to the tree; later ones win
  variables   gyp variables that no file can set, by name
"""

import fcntl
import json
import os
import runpy
import shutil
import sys
import types


def configure(arguments):
    """Runs Node's configure up to where it would start gyp."""
    gyp_node = types.ModuleType("gyp_node")
    gyp_node.run_gyp = lambda _: None
    sys.modules["gyp_node"] = gyp_node
    sys.argv = ["configure.py"] + arguments
    runpy.run_path("configure.py", run_name="__main__")


def generate(request):
    """Runs gyp on libv8.gyp; its exit code."""
    sys.path.insert(0, os.path.join("tools", "gyp", "pylib"))
    # gyp imports what the gyp files call by name.
    sys.path.insert(0, os.path.join("tools", "v8_gypfiles"))
    import gyp

    # The compilers were for configure; the settings have gyp's. A name with _host
    # would make it take this for a cross build, with every step twice.
    for name in list(os.environ):
        if name.split("_")[0] in ("AR", "CC", "CXX", "GYP", "LINK"):
            del os.environ[name]
    arguments = ["-f", "ninja", "--no-parallel", "--depth=."]
    arguments += ["-Goutput_dir=" + request["out"]]
    for settings in ["common.gypi", "config.gypi"] + request["settings"]:
        arguments += ["-I", settings]
    for name, value in sorted(request["variables"].items()):
        arguments += ["-D", "{}={}".format(name, value)]
    return gyp.main(arguments + [os.path.join("libv8", "node", "libv8.gyp")])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    os.chdir(request["tree"])
    with open(os.path.join("libv8", "node", "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure(request["configure"])
        # What Node has set, for those who want to read it later.
        shutil.copyfile("config.gypi", os.path.join(request["out"], "config.gypi"))
        return generate(request)


if __name__ == "__main__":
    sys.exit(main())
