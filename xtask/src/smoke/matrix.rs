//! The linkers that users have, and the forms of a program that each of them makes.

use v8_archive::descriptor::LibcFamily;

/// A linker, with what drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// clang with LLVM's lld: what V8 itself is built with.
    Lld,
    /// clang with GNU's linker.
    GnuLd,
    /// `zig cc`, which brings its own C library and start files.
    Zig,
}

/// What a link makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A program at a fixed address without any shared library.
    Static,
    /// The same, loaded anywhere.
    StaticPie,
    /// A program with the system's shared libraries.
    Dynamic,
    /// A shared library with V8 inside, loaded with dlopen.
    Shared,
}

impl Tool {
    /// What links the programs that are linked once.
    pub fn usual(libc: LibcFamily) -> Tool {
        Tool::all(libc)[0]
    }

    /// What can link a target's programs. For macOS clang starts a linker that the toolchain does not have; Zig is one.
    fn all(libc: LibcFamily) -> &'static [Tool] {
        match libc {
            LibcFamily::LibSystem => &[Tool::Zig],
            LibcFamily::Glibc | LibcFamily::Musl | LibcFamily::Ucrt => &[Tool::Lld, Tool::GnuLd, Tool::Zig],
        }
    }

    /// In names of programs.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Lld => "lld",
            Tool::GnuLd => "gnu-ld",
            Tool::Zig => "zig",
        }
    }
}

impl Form {
    /// In names of programs.
    pub fn name(self) -> &'static str {
        match self {
            Form::Static => "static",
            Form::StaticPie => "static-pie",
            Form::Dynamic => "dynamic",
            Form::Shared => "shared",
        }
    }

    /// Whether the program needs no loader.
    pub fn is_static(self) -> bool {
        matches!(self, Form::Static | Form::StaticPie)
    }

    /// The form of programs that the whole table is run with: what the target's users link first.
    pub fn usual(libc: LibcFamily) -> Form {
        if libc == LibcFamily::Musl { Form::Static } else { Form::Dynamic }
    }

    /// What a target's programs can be. glibc is linked statically by few, and advises against it; sysroots have stubs of its
    /// shared libraries only.
    pub fn all(libc: LibcFamily) -> &'static [Form] {
        match libc {
            LibcFamily::Musl => &[Form::Static, Form::StaticPie, Form::Dynamic, Form::Shared],
            _ => &[Form::Dynamic, Form::Shared],
        }
    }
}

/// Every combination but those in which other programs of the plan are linked already: the usual form, and a shared
/// library, by the usual linker.
pub fn combinations(libc: LibcFamily) -> impl Iterator<Item = (Tool, Form)> {
    let by = move |tool| Form::all(libc).iter().map(move |form| (tool, *form));
    Tool::all(libc).iter().copied().flat_map(by).filter(move |(tool, form)| {
        *tool != Tool::usual(libc) || (*form != Form::usual(libc) && *form != Form::Shared)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_by_libc() {
        let names = |libc| {
            let name = |(tool, form): (Tool, Form)| format!("{}-{}", tool.name(), form.name());
            combinations(libc).map(name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(LibcFamily::Glibc),
            ["gnu-ld-dynamic", "gnu-ld-shared", "zig-dynamic", "zig-shared"]
        );
        assert_eq!(names(LibcFamily::LibSystem), [""; 0]);
        assert_eq!(
            names(LibcFamily::Musl),
            [
                "lld-static-pie",
                "lld-dynamic",
                "gnu-ld-static",
                "gnu-ld-static-pie",
                "gnu-ld-dynamic",
                "gnu-ld-shared",
                "zig-static",
                "zig-static-pie",
                "zig-dynamic",
                "zig-shared"
            ]
        );
    }
}
