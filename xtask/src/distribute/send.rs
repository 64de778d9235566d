//! Hands one compile to the second server: what the shim does first where there is a cluster.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::FOLDER;
use crate::sccache::Socket;
use crate::{env, process};

/// The file in [`FOLDER`] with a line for each compile that came back: the object, and why.
pub const RETURNED_FILE: &str = "returned.log";

/// sccache waits 20 minutes for a machine that is gone. The longest compile of V8 takes two on a busy one.
const LIMIT: Duration = Duration::from_secs(600);

/// Where compiles are sent.
#[derive(Debug, Clone)]
pub struct Way {
    /// sccache, and the compiler under the name that the second server knows.
    pub sccache: PathBuf,
    /// See above.
    pub compiler: PathBuf,
    /// The second server's socket, in sccache's words.
    pub socket: OsString,
    /// This tool, as the compiler's shim.
    pub shim: PathBuf,
    /// For a server that sccache might start in place of the second one.
    pub nothing: PathBuf,
}

impl Way {
    /// A client of the second server.
    ///
    /// sccache sends its client's whole environment along, which the servers give to the compiler as arguments of a
    /// program, for everybody there to read. So there is nothing in it but this.
    pub fn client(&self) -> Command {
        let mut command = process::command(&self.sccache);
        command.env_clear().envs([
            ("SCCACHE_SERVER_UDS", self.socket.as_os_str()),
            ("SCCACHE_NO_CACHE", "1".as_ref()),
            ("SCCACHE_DIRECT", "false".as_ref()),
            ("SCCACHE_DIR", self.nothing.as_os_str()),
            ("SCCACHE_CONF", self.nothing.join("settings").as_os_str()),
            ("SCCACHE_IDLE_TIMEOUT", "60".as_ref()),
            ("LIBV8_PCH", self.shim.as_os_str()),
            // The shim then preprocesses for sccache, and compiles nothing.
            ("LIBV8_AWAY", "1".as_ref()),
        ]);
        command
    }
}

/// Has the cluster compile what `arguments`, of the overlay's `clang++`, say. Gives what the compiler said, once the object
/// is there, and nothing if it is to be compiled here: because of the cluster, or because the source is wrong.
pub fn compile(arguments: &[OsString], object: &str) -> Option<Vec<u8>> {
    let socket = env::distribute()?;
    // sccache may still be writing when we have given up.
    let partial = format!("{object}.away");
    let (bin, words) = for_elsewhere(arguments, &partial)?;
    if !Socket::of_variable(&socket)?.is_served() {
        note(object, "sccache's server is gone");
        return None;
    }
    let bin = fs::canonicalize(bin).ok()?;
    let way = Way {
        sccache: bin.join("sccache"),
        compiler: bin.join("clang++"),
        socket,
        shim: env::pch()?,
        nothing: std::env::current_dir().ok()?.join(FOLDER).join("nothing"),
    };
    let lent = Lent::token();
    let out = output_within(way.client().arg(&way.compiler).args(words), LIMIT);
    drop(lent);
    let why = match out {
        Ok(Some(out)) if out.status.success() && fs::rename(&partial, object).is_ok() => {
            return Some(out.stderr);
        }
        Ok(Some(out)) => String::from_utf8_lossy(&out.stderr).lines().next().unwrap_or_default().to_owned(),
        Ok(None) => format!("no answer in {} s", LIMIT.as_secs()),
        Err(error) => error.to_string(),
    };
    // It may never have been there.
    let _ = fs::remove_file(&partial);
    note(object, &why);
    None
}

/// A lost line only makes the count too small.
fn note(object: &str, why: &str) {
    let log = Path::new(FOLDER).join(RETURNED_FILE);
    if let Ok(mut file) = File::options().create(true).append(true).open(log) {
        let _ = file.write_all(format!("{object}\t{why}\n").as_bytes());
    }
}

/// Whether a cluster compiles the GN target of an object but for a few sources: too few for a header, which costs as much as
/// three or four compiles save.
pub fn is_rarely_here(object: &str) -> bool {
    let returned = || fs::read_to_string(Path::new(FOLDER).join(RETURNED_FILE)).unwrap_or_default();
    env::distribute().is_some() && count_of_target(&returned(), object) < WORTH_A_HEADER
}

/// See [`is_rarely_here`].
const WORTH_A_HEADER: usize = 4;

/// How many lines are of objects in the folder of this one.
fn count_of_target(returned: &str, object: &str) -> usize {
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let own = folder(object);
    returned.lines().filter(|line| line.split('\t').next().is_some_and(|name| folder(name) == own)).count()
}

/// The overlay's `bin`, and the arguments without what its script will add again, without the list of headers, which is
/// written already, and with another object.
fn for_elsewhere(arguments: &[OsString], object: &str) -> Option<(PathBuf, Vec<OsString>)> {
    let end = arguments.iter().position(|word| word == "-resource-dir")? + 2;
    let bin = arguments[..end].iter().find_map(|word| word.to_str()?.strip_prefix("-B"))?;
    let mut all = Vec::new();
    let mut words = arguments[end..].iter();
    while let Some(word) = words.next() {
        match word.to_str()? {
            "-MD" | "-MMD" => {}
            "-MF" | "-MT" | "-MQ" => drop(words.next()?),
            "-o" => {
                words.next()?;
                all.extend(["-o".into(), object.into()]);
            }
            _ => all.push(word.clone()),
        }
    }
    Some((bin.into(), all))
}

/// Runs to the end or to `limit`, then kills it and gives nothing. What it writes to stdout is not kept.
pub fn output_within(command: &mut Command, limit: Duration) -> std::io::Result<Option<Output>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut pipe = child.stderr.take().expect("piped above");
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        // What was said until a fault is better than nothing.
        let _ = pipe.read_to_end(&mut said);
        said
    });
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let stderr = reader.join().unwrap_or_default();
            return Ok(Some(Output { status, stdout: Vec::new(), stderr }));
        }
        if start.elapsed() >= limit {
            // An error here means that it ended by itself in the meantime.
            drop(child.kill());
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// sccache runs as many compilers as there are processors, and counts them by a pipe as GNU make does, which it leaves open to them.
/// Who waits for another machine needs no processor, and gives its token back meanwhile; it is taken again when this is dropped.
struct Lent(File);

impl Lent {
    fn token() -> Option<Lent> {
        let flags = env::job_server()?.into_string().ok()?;
        let (read, write) = pipe(&flags)?;
        let reader = File::open(format!("/proc/self/fd/{read}")).ok()?;
        let mut writer = File::options().write(true).open(format!("/proc/self/fd/{write}")).ok()?;
        // Under another make the numbers may be those of anything.
        if !is_pipe(&reader) || !is_pipe(&writer) {
            return None;
        }
        writer.write_all(b"|").ok()?;
        Some(Lent(reader))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The other end is gone with sccache, and then nobody counts.
        let _ = self.0.read_exact(&mut [0]);
    }
}

#[cfg(unix)]
fn is_pipe(file: &File) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    file.metadata().is_ok_and(|data| data.file_type().is_fifo())
}

/// Clusters are used from Linux only.
#[cfg(not(unix))]
fn is_pipe(_: &File) -> bool {
    false
}

/// The two ends of the pipe in `-j --jobserver-auth=3,4`.
fn pipe(flags: &str) -> Option<(u32, u32)> {
    let ends = flags.split(' ').rev().find_map(|word| word.strip_prefix("--jobserver-auth="))?;
    let (read, write) = ends.split_once(',')?;
    Some((read.parse().ok()?, write.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_the_script_adds_and_the_list_of_headers_stay_here() {
        let line = "clang --driver-mode=g++ -B/t/bin/../bin -resource-dir /t/lib/clang/22 -x c++ -c -o obj/a.o -MMD -MF \
                    obj/a.o.d -MT obj/a.o -DX -frandom-seed=../a.cc ../a.cc";
        let (bin, rest) = for_elsewhere(&words(line), "obj/a.o.away").unwrap();
        assert_eq!(bin, Path::new("/t/bin/../bin"));
        assert_eq!(rest, words("-x c++ -c -o obj/a.o.away -DX -frandom-seed=../a.cc ../a.cc"));
        // A compiler of the user's own.
        assert!(for_elsewhere(&words("-x c++ -c -o obj/a.o a.cc"), "b").is_none());
    }

    #[test]
    fn returned_compiles_are_counted_by_target() {
        let log = "obj/v8/base/a.o\twhy\nobj/v8/base/b.o\tx/y.o\nobj/v8/base/more/c.o\twhy\nobj/icu/a.o\t";
        for (object, expected) in [("obj/v8/base/z.o", 2), ("obj/icu/b.o", 1), ("obj/none/a.o", 0)] {
            assert_eq!(count_of_target(log, object), expected, "{object}");
        }
    }

    #[test]
    fn pipes_of_job_servers() {
        assert_eq!(pipe("-j --jobserver-fds=5,6 --jobserver-auth=5,6"), Some((5, 6)));
        for none in ["", "-j4", "--jobserver-auth=fifo:/x", "--jobserver-auth=-2,-2"] {
            assert_eq!(pipe(none), None, "{none}");
        }
    }
}
