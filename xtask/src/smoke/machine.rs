//! How programs of the archive's target are started on this machine: as they are, under an emulator, through a loader.

use std::path::{Path, PathBuf};

use crate::consumer::utf8;
use crate::error::Result;
use crate::process;

/// What starts the target's programs. The default: they run as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Why nothing here starts the target's programs, which are then linked only.
    pub cannot_run: Option<String>,
    /// An emulator, if the target's processor or system is not this machine's.
    pub emulator: Option<Emulator>,
    /// An emulator that can show programs larger pages than this machine's.
    pub pages: Option<Emulator>,
    /// musl's shared library, if the target's libc is musl: it is the loader of dynamic programs as well, and this
    /// system need not have it where programs name it.
    pub musl: Option<PathBuf>,
}

/// QEMU's user-mode emulation, or wine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// Program and options, put in front of program and arguments.
    pub command: Vec<String>,
    /// What it says of itself: `qemu-aarch64 version 10.0.13 (…)`.
    pub version: String,
}

/// The larger ones of the page sizes that Linux has on AArch64, in bytes. x86-64 has 4 KiB alone.
const LARGE_PAGES: [u32; 2] = [16 << 10, 64 << 10];

impl Machine {
    /// Program and arguments that start `program`; `is_static`: it needs no loader. With `page_bytes`, the emulator shows
    /// pages of this size.
    pub fn start(&self, program: &Path, is_static: bool, page_bytes: Option<u32>) -> (PathBuf, Vec<String>) {
        let mut words = Vec::new();
        if let Some(emulator) = self.emulator(page_bytes) {
            words.extend(emulator.command.iter().cloned());
            words.extend(page_bytes.into_iter().flat_map(|bytes| ["-p".to_owned(), bytes.to_string()]));
        }
        words.extend(self.musl.iter().filter(|_| !is_static).map(|loader| utf8(loader)));
        words.push(utf8(program));
        (PathBuf::from(words.remove(0)), words)
    }

    /// For people: how a program ran.
    pub fn how(&self, page_bytes: Option<u32>) -> String {
        if let Some(reason) = &self.cannot_run {
            return format!("not run: {reason}");
        }
        match (self.emulator(page_bytes), page_bytes) {
            (None, _) => "natively".to_owned(),
            (Some(emulator), None) => format!("under {}", emulator.name()),
            (Some(emulator), Some(bytes)) => format!("under {}, {} KiB pages", emulator.name(), bytes >> 10),
        }
    }

    fn emulator(&self, page_bytes: Option<u32>) -> Option<&Emulator> {
        if page_bytes.is_some() { self.pages.as_ref() } else { self.emulator.as_ref() }
    }

    /// Page sizes, beside the usual one, with which programs are to be tried.
    pub fn other_pages(&self) -> &'static [u32] {
        if self.pages.is_some() { &LARGE_PAGES } else { &[] }
    }

    /// How many times longer programs may take than on a machine of their own. Measured for QEMU 10: 8 to 20 times.
    pub fn patience(&self) -> u32 {
        if self.emulator.is_some() { 20 } else { 1 }
    }
}

impl Emulator {
    /// A program that needs no options.
    pub fn new(program: &Path) -> Result<Emulator> {
        let said = process::read(process::command(program).arg("--version"))?;
        let version = said.lines().next().unwrap_or_default().to_owned();
        Ok(Emulator { command: vec![utf8(program)], version })
    }

    /// A QEMU before release 9, for pages of other sizes; `root` has what dynamic programs load.
    ///
    /// By default it emulates a processor that signs return addresses, and computes the signatures by the architecture's own
    /// cipher: programs ran fifteen times longer. And where the kernel places it at random, one start in five ended with
    /// "mmap … Cannot allocate memory" (7.2, pages of 64 KiB): setarch of util-linux tells the kernel not to.
    pub fn of_pages(program: &Path, root: &Path, setarch: Option<PathBuf>) -> Result<Emulator> {
        let Emulator { mut command, version } = Emulator::new(program)?;
        command.extend(["-cpu".to_owned(), "cortex-a72".to_owned(), "-L".to_owned(), utf8(root)]);
        if let Some(setarch) = setarch {
            command.splice(0..0, [utf8(&setarch), "-R".to_owned()]);
        }
        Ok(Emulator { command, version })
    }

    /// `qemu-aarch64 10.0.13`.
    fn name(&self) -> String {
        match self.version.split_once(" version ") {
            Some((name, rest)) => format!("{name} {}", rest.split_whitespace().next().unwrap_or_default()),
            None => self.version.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_started_through_emulator_and_loader() {
        let check = |emulated: bool, musl: bool, is_static, pages, expected: &str| {
            let emulator = |command: &str, version: &str| Emulator {
                command: command.split(' ').map(str::to_owned).collect(),
                version: format!("qemu-aarch64 version {version} (Debian 1:{version}+ds-0+deb13u1)"),
            };
            let machine = Machine {
                cannot_run: None,
                emulator: emulated.then(|| emulator("/q", "10.0.13")),
                pages: emulated.then(|| emulator("/p7 -L /root", "7.2.22")),
                musl: musl.then(|| "/m/libc.so".into()),
            };
            let (program, arguments) = machine.start(Path::new("/p"), is_static, pages);
            let words = format!("{} {}: {}", program.display(), arguments.join(" "), machine.how(pages));
            assert_eq!(words, expected);
        };
        check(false, false, false, None, "/p : natively");
        check(false, true, true, None, "/p : natively");
        check(false, true, false, None, "/m/libc.so /p: natively");
        check(true, false, false, None, "/q /p: under qemu-aarch64 10.0.13");
        check(true, true, true, None, "/q /p: under qemu-aarch64 10.0.13");
        check(
            true,
            true,
            false,
            Some(65536),
            "/p7 -L /root -p 65536 /m/libc.so /p: under qemu-aarch64 7.2.22, 64 KiB pages",
        );
    }
}
