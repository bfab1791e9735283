// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The hosts of the tests: udevd and libvirtd in the client's tree, and a second libvirtd, which has a
//! name, settings and files of its own. Both run until the VM's suite ends.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use guest::said::Said;
use guest::{uuid, wait, Client};

/// Longest wait for a daemon.
const START: Duration = Duration::from_secs(60);

/// Longer than libvirt waits until it looks at definitions that have changed.
const MOMENT: Duration = Duration::from_millis(300);

/// Where daemons write what they have to say.
const LOGS: &str = "/tmp";

/// Settings of libvirt's driver for QEMU: what follows from there being no systemd, no cgroups and
/// only one user.
const QEMU_CONF: &str = r#"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
security_driver = "none"
stdio_handler = "file"
remember_owner = 0
"#;

/// What the second daemon has for itself.
const OWN: &str =
    "etc/libvirt etc/mdevctl.d run/libvirt var/cache/libvirt var/lib/libvirt var/log/libvirt";

/// Starts the second daemon. Arguments: where its own files are, its settings, what is its own. It
/// begins with what the client has in `/etc`, and knows already what QEMU can do.
const SECOND: &str = r#"
set -eu
hostname second
own=$1 settings=$2
for path in $3; do
    mkdir -p "$own/$path" "/$path"
    case $path in etc/libvirt | var/cache/libvirt) cp -a "/$path/." "$own/$path" ;; esac
    mount --bind "$own/$path" "/$path"
done
exec libvirtd --config "$settings" --pid-file /run/libvirt/second.pid
"#;

/// A host, by its libvirtd.
#[derive(Debug)]
pub(crate) struct Host {
    client: Client,
    uri: String,
    log: String,
}

impl Host {
    /// The host with udev's daemon.
    pub(crate) fn first() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(|| {
            let client = Client::enter("trixie");
            client.install();
            link_mdevctl(&client);
            fs::write(client.path("/etc/libvirt/qemu.conf"), QEMU_CONF).expect("qemu.conf");
            udevd(&client);
            let settings = settings(&client, "first", "");
            let mut command = client.command("libvirtd");
            command.args(["--config", &settings]);
            Self::started(client, &mut command, "first", "/run/libvirt")
        })
    }

    /// The other host.
    pub(crate) fn second() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(|| {
            let client = Self::first().client.clone();
            let sockets = "/tmp/libvirt-second";
            fs::create_dir_all(sockets).expect("a directory");
            let line = format!("unix_sock_dir = \"{sockets}\"\n");
            let settings = settings(&client, "second", &line);
            let mut command = client.command("unshare");
            command.args(["--mount", "--uts", "sh", "-c", SECOND, "sh"]);
            command.args(["/tmp/second", &settings, OWN]);
            Self::started(client, &mut command, "second", sockets)
        })
    }

    /// Starts a daemon, and waits until it listens.
    fn started(client: Client, command: &mut Command, name: &str, sockets: &str) -> Self {
        let log = format!("{LOGS}/libvirtd-{name}.log");
        background(command, &log);
        let inside = format!("{sockets}/libvirt-sock");
        // Where it is for this program.
        let outside = match sockets.starts_with("/tmp") {
            true => inside.clone().into(),
            false => client.path(&inside),
        };
        let uri = format!("qemu+unix:///system?socket={inside}&mode=legacy");
        let host = Self { client, uri, log };
        assert!(
            wait::until(START, || UnixStream::connect(&outside).is_ok()),
            "{name}: {}",
            host.log()
        );
        host
    }

    /// The URI of its libvirtd.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// The tree that its programs are in.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn words<'a>(&self, variable: &'a str, words: &[&'a str]) -> Vec<&'a str> {
        ["env", variable].iter().chain(words).copied().collect()
    }

    /// Runs a program, which finds this host's libvirtd.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str], input: &str) -> Said {
        let variable = format!("LIBVIRT_DEFAULT_URI={}", self.uri);
        self.client.run(&self.words(&variable, words), input)
    }

    /// The same, which must succeed. Returns what it wrote to standard output.
    #[track_caller]
    pub(crate) fn done(&self, words: &[&str], input: &str) -> String {
        let said = self.run(words, input);
        if said.status != Some(0) {
            println!("{}", self.log());
        }
        said.done()
    }

    /// The same, which must fail, with all of `parts` on standard error.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str], input: &str, parts: &[&str]) {
        self.run(words, input).refused(parts);
    }

    /// `virsh WORDS`, which must succeed.
    #[track_caller]
    pub(crate) fn virsh(&self, words: &[&str]) -> String {
        let words: Vec<&str> = ["virsh"].iter().chain(words).copied().collect();
        self.done(&words, "")
    }

    /// Waits until udev has handled all events, and libvirt what it heard of them: it looks at devices and
    /// definitions by itself, a moment later.
    #[track_caller]
    pub(crate) fn settle(&self) {
        udevadm(&self.client, &["settle"]);
        let mut before = None;
        let quiet = wait::until(START, || {
            thread::sleep(MOMENT);
            let now = self.virsh(&["nodedev-list", "--all"]);
            before.replace(now.clone()) == Some(now)
        });
        assert!(quiet, "libvirt's devices do not settle: {before:?}");
    }
}

/// `udevadm WORDS`, which does nothing in a chroot unless it is told that this is none.
#[track_caller]
pub(crate) fn udevadm(client: &Client, words: &[&str]) {
    let all = ["env", "SYSTEMD_IGNORE_CHROOT=1", "udevadm"];
    let all: Vec<&str> = all.iter().chain(words).copied().collect();
    client.done(&all, "");
}

/// Puts mdevctl where Debian's rule of udev runs it. No package has it there.
fn link_mdevctl(client: &Client) {
    let link = client.path("/usr/sbin/mdevctl");
    // One of a start that failed.
    if link.is_symlink() {
        fs::remove_file(&link).expect("a link");
    }
    symlink("/usr/bin/mdevctl", &link).expect("Debian's mdevctl needs no link any more");
}

/// Starts udev's daemon and has it handle the devices that libvirt looks at.
fn udevd(client: &Client) {
    // For its builtin `kmod`.
    client.share("/lib/modules");
    let mut command = client.command("/lib/systemd/systemd-udevd");
    command.env("SYSTEMD_IGNORE_CHROOT", "1");
    background(&mut command, format!("{LOGS}/udevd.log"));
    let control = client.path("/run/udev/control");
    let up = wait::until(START, || control.exists());
    assert!(up, "udevd: {}", udevd_log());
    udevadm(
        client,
        &["trigger", "--action=add", "--subsystem-match=pci"],
    );
    udevadm(client, &["settle"]);
}

/// What udev's daemon has complained about.
pub(crate) fn udevd_log() -> String {
    fs::read_to_string(format!("{LOGS}/udevd.log")).unwrap_or_default()
}

/// Settings of a libvirtd; returns their path in the client.
fn settings(client: &Client, name: &str, more: &str) -> String {
    let path = format!("/etc/libvirt/libvirtd-{name}.conf");
    let id = uuid();
    let text =
        format!("host_uuid = \"{id}\"\nauth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n{more}");
    fs::write(client.path(&path), text).expect("settings");
    path
}

/// Starts a daemon, and buries it should it end.
fn background(command: &mut Command, log: impl AsRef<Path>) {
    let errors = File::create(log).expect("a log");
    let output = errors.try_clone().expect("a log");
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = command.spawn().expect("chroot");
    thread::spawn(move || child.wait());
}
