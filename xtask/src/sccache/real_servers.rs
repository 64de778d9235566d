//! Real cache servers on loopback for tests: fetched once into a folder, with the user's own apt and pip.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::process::{self, Tied};

/// What [`redis`](Servers::redis) unpacks: the server and the libraries that Debian's base has not.
const REDIS: [&str; 7] =
    ["redis-server", "redis-tools", "libjemalloc2", "liblua5.1-0", "liblzf1", "lua-bitop", "lua-cjson"];

/// The sandbox of sccache-dist's servers; its libraries are in Debian's base.
const SANDBOX: [&str; 1] = ["bubblewrap"];

/// An S3 server and a WebDAV server.
const PYTHON: [&str; 6] = ["moto[s3]", "flask", "flask-cors", "wsgidav", "cheroot", "setuptools"];

/// A registry of containers, which needs nothing but Debian's base.
const REGISTRY: [&str; 1] = ["docker-registry"];

/// A web server; its libraries are in Debian's base.
const WEB: [&str; 1] = ["nginx"];

/// Installed servers.
pub struct Servers(PathBuf);

/// A server that runs, and ends with this.
pub struct Running {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Option<Tied>,
}

impl Running {
    /// Once it listens on its port; what it says goes into a log.
    pub fn start(command: &mut Command, port: u16, log: &Path) -> Running {
        let file = std::fs::File::create(log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let mut process = Tied::spawn(command).unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(process.ended().is_none() && started.elapsed() < Duration::from_secs(90), "{}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        Running { port, process: Some(process) }
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// As `kill -STOP`: it accepts connections, and says nothing any more.
    pub fn freeze(&self) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        process::read(process::command("kill").args(["-STOP", &pid])).unwrap();
    }
}

/// Free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Servers {
    /// Those in a folder, fetched now if they are not there. Two tests at once fetch once.
    pub fn in_folder(folder: &Path) -> &'static Servers {
        static SERVERS: OnceLock<Servers> = OnceLock::new();
        SERVERS.get_or_init(|| {
            std::fs::create_dir_all(folder).unwrap();
            let lock = std::fs::File::create(folder.join("lock")).unwrap();
            lock.lock().unwrap();
            let servers = Servers(folder.to_owned());
            let all = [
                ("debian", REDIS.as_slice()),
                ("sandbox", &SANDBOX),
                ("python", &PYTHON),
                ("registry", &REGISTRY),
                ("web", &WEB),
            ];
            for (name, packages) in all {
                let done = folder.join(name);
                if !done.exists() {
                    let partial = folder.join(format!("{name}.partial"));
                    crate::paths::remove_folder(&partial).unwrap();
                    std::fs::create_dir_all(&partial).unwrap();
                    let fetch = if name == "python" { Servers::fetch_python } else { Servers::fetch_debian };
                    fetch(packages, &partial);
                    std::fs::rename(&partial, &done).unwrap();
                }
            }
            servers
        })
    }

    /// By apt, with the user's own sources; its state lies here, the system's is read at most.
    pub fn fetch_debian(packages: &[&str], to: &Path) {
        let at = |name: &str| to.join(name).display().to_string();
        std::fs::create_dir_all(at("cache/archives/partial")).unwrap();
        std::fs::create_dir_all(at("state/lists/partial")).unwrap();
        // An image's hooks would clean the system's own folders. They can only be cleared in a file read last.
        let hooks = ["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"];
        let clear: String = hooks.iter().map(|hook| format!("#clear APT::Update::{hook};\n")).collect();
        std::fs::write(at("apt.conf"), clear).unwrap();
        let apt = |own_lists: bool, words: &[&str]| {
            let mut command = process::command("apt-get");
            command.args(["-qq", "-c", &at("apt.conf"), "-o", "APT::Sandbox::User="]);
            command.args(["-o", &format!("Dir::Cache={}", at("cache"))]);
            if own_lists {
                command.args(["-o", &format!("Dir::State::lists={}", at("state/lists"))]);
            }
            process::read(command.args(words).current_dir(to))
        };
        let download: Vec<&str> = std::iter::once("download").chain(packages.iter().copied()).collect();
        // An image may come without lists.
        if apt(false, &download).is_err() {
            apt(true, &["update"]).unwrap();
            apt(true, &download).unwrap();
        }
        for entry in std::fs::read_dir(to).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "deb") {
                process::read(process::command("dpkg-deb").arg("-x").arg(entry.path()).arg(to)).unwrap();
            }
        }
        for name in ["cache", "state"] {
            crate::paths::remove_folder(&to.join(name)).unwrap();
        }
    }

    /// By pip, into a folder of packages: an environment of its own would hold its path.
    pub fn fetch_python(packages: &[&str], to: &Path) {
        let mut pip = process::command("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        process::read(pip.arg(to).args(packages)).unwrap();
    }

    /// The program that sccache-dist's servers compile in.
    pub fn bubblewrap(&self) -> PathBuf {
        self.0.join("sandbox/usr/bin/bwrap")
    }

    /// With a password, and nothing kept on disk.
    pub fn redis(&self, password: &str, work: &Path) -> Running {
        let root = self.0.join("debian");
        let libraries = std::fs::read_dir(root.join("usr/lib")).unwrap().flatten();
        let libraries =
            libraries.map(|entry| entry.path()).find(|path| path.join("libjemalloc.so.2").exists());
        let port = free_port();
        let mut command = process::tied(root.join("usr/bin/redis-server"));
        command.env("LD_LIBRARY_PATH", libraries.expect("libjemalloc2 is unpacked"));
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--requirepass",
            password,
        ]);
        command.arg("--dir").arg(work);
        Running::start(&mut command, port, &work.join("redis.log"))
    }

    /// An S3 server that takes any key.
    pub fn s3(&self, work: &Path) -> Running {
        let port = free_port();
        let mut command = self.python(&["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        Running::start(&mut command, port, &work.join("s3.log"))
    }

    /// A registry of containers; with a file of `htpasswd`'s, for those in it only.
    #[cfg(feature = "store-oci")]
    pub fn registry(&self, users: Option<&Path>, work: &Path) -> Running {
        let port = free_port();
        let mut text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {root:?}}}}}\n\
             http: {{addr: 127.0.0.1:{port}, secret: of-the-test}}\n",
            root = work.join("registry"),
        );
        if let Some(users) = users {
            text += &format!("auth: {{htpasswd: {{realm: test, path: {users:?}}}}}\n");
        }
        let config = work.join(format!("registry-{port}.yml"));
        std::fs::write(&config, text).unwrap();
        let mut command = process::tied(self.0.join("registry/usr/bin/docker-registry"));
        Running::start(command.arg("serve").arg(&config), port, &work.join(format!("registry-{port}.log")))
    }

    /// nginx with what stands in its `server { … }` beside the port.
    pub fn nginx(&self, server: &str, work: &Path) -> Running {
        let port = free_port();
        let at = |name: &str| work.join(name).display().to_string();
        // A worker of its own user could not read what only we can.
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths: String = paths.map(|name| format!("{name}_temp_path {:?};\n", at("nginx-temp"))).concat();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {:?};\nevents {{}}\nhttp {{\naccess_log off;\n{paths}\
             client_max_body_size 0;\nserver {{\nlisten 127.0.0.1:{port};\n{server}\n}}\n}}\n",
            at(&format!("nginx-{port}.pid")),
        );
        let config = work.join(format!("nginx-{port}.conf"));
        std::fs::write(&config, text).unwrap();
        let mut command = process::tied(self.0.join("web/usr/sbin/nginx"));
        command.arg("-e").arg("stderr").arg("-p").arg(work).arg("-c").arg(&config);
        Running::start(&mut command, port, &work.join(format!("nginx-{port}.log")))
    }

    /// A WebDAV server for one user.
    pub fn webdav(&self, user: &str, password: &str, work: &Path) -> Running {
        let port = free_port();
        let root = work.join("webdav");
        std::fs::create_dir_all(&root).unwrap();
        let config = work.join("webdav.json");
        let text = serde_json::json!({
            "host": "127.0.0.1", "port": port, "server": "cheroot",
            "provider_mapping": { "/": root.display().to_string() },
            "simple_dc": { "user_mapping": { "*": { user: { "password": password } } } },
            "http_authenticator": { "accept_basic": true, "accept_digest": false, "default_to_digest": false },
        });
        std::fs::write(&config, text.to_string()).unwrap();
        let mut command = self.python(&["-m", "wsgidav.server.server_cli", "--config"]);
        command.arg(&config);
        Running::start(&mut command, port, &work.join("webdav.log"))
    }

    fn python(&self, words: &[&str]) -> Command {
        let mut command = process::tied("python3");
        command.args(words).env("PYTHONPATH", self.0.join("python"));
        command
    }

    /// What redis' own client says.
    pub fn redis_cli(&self, running: &Running, password: &str, words: &[&str]) -> String {
        let mut command = process::command(self.0.join("debian/usr/bin/redis-cli"));
        let libraries = std::fs::read_dir(self.0.join("debian/usr/lib")).unwrap().flatten();
        let libraries =
            libraries.map(|entry| entry.path()).find(|path| path.join("libjemalloc.so.2").exists());
        command.env("LD_LIBRARY_PATH", libraries.expect("libjemalloc2 is unpacked"));
        command.args(["-p", &running.port.to_string(), "-a", password, "--no-auth-warning"]).args(words);
        process::read(&mut command).unwrap()
    }
}
