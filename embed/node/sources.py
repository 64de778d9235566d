"""Prints the sources that a BUILD.gn of Chromium's C++ runtime names for Linux.

usage: sources.py TREE BUILD.gn; paths are printed as gyp files in libv8/node
have them.
"""

import re
import sys

# Sources of other systems, and stubs of what is there whole.
FOREIGN = ("/win32/", "/fuchsia/", "_noexception.cpp", "/cxa_demangle_stub.cc",
           "/int128_builtins.cpp")


def main(tree, build):
    with open("{}/{}".format(tree, build), encoding="utf-8") as file:
        text = re.sub(r"#.*", "", file.read())
    names = re.findall(r'"//(third_party/[^"]+\.(?:cpp|cc|c|S))"', text)
    for name in dict.fromkeys(names):
        if not any(part in "/" + name for part in FOREIGN):
            print('"{}/{}"'.format(tree, name))


main(*sys.argv[1:])
