// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Real clients: Debian trees on disks, whose programs run by chroot.
//!
//! Which suite's VM has which clients is written in `tests/vm/src/client.rs`; a disk's serial number is
//! the client's name.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::mount::{mount, MsFlags};

/// Where clients are mounted.
const PLACE: &str = "/clients";

/// What a client has of the VM. `/tmp` too, so that a socket has the same path for both.
const SHARED: [&str; 4] = ["/dev", "/proc", "/sys", "/tmp"];

/// One enters at a time.
static ENTERING: Mutex<()> = Mutex::new(());

/// A client that is mounted. It stays so until the VM ends; what is written to it is in memory.
#[derive(Clone, Debug)]
pub struct Client {
    name: String,
    root: PathBuf,
}

impl Client {
    /// The client `name`.
    ///
    /// # Panics
    ///
    /// If this VM has no such disk, or it cannot be mounted.
    #[track_caller]
    pub fn enter(name: &str) -> Self {
        let _turn = ENTERING.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Path::new(PLACE).join(name);
        let root = place.join("root");
        if !is_mounted(&root.join("run")) {
            let disk = disk(name).unwrap_or_else(|| {
                panic!(
                    "this VM has no client {name}: `SUITES` in tests/vm/src/client.rs says which suites get it"
                )
            });
            mount_all(&disk, &place).unwrap_or_else(|e| panic!("client {name}: {e}"));
        }
        Self {
            name: name.to_owned(),
            root,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a path in it is called outside.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        self.root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// Gives it a directory of the VM, at the same path.
    ///
    /// # Panics
    ///
    /// If it cannot be mounted.
    #[track_caller]
    pub fn share(&self, directory: &str) {
        let place = self.path(directory);
        fs::create_dir_all(&place).expect("a directory");
        let place = fs::canonicalize(place).expect("a directory");
        if !is_mounted(&place) {
            let source = Some(Path::new(directory));
            mounted("", source, &place, MsFlags::MS_BIND, "").unwrap_or_else(|e| panic!("{e}"));
        }
    }

    /// A command that runs `program` in it. The process is the program itself: what is done to the one
    /// is done to the other.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("/bin/chroot");
        command.arg(&self.root).arg(program).env_clear().envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
        ]);
        command
    }
}

/// The disk with this serial number.
fn disk(serial: &str) -> Option<PathBuf> {
    let mut disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    disks.find_map(|disk| {
        let text = fs::read_to_string(disk.path().join("serial")).ok()?;
        (text.trim() == serial).then(|| Path::new("/dev").join(disk.file_name()))
    })
}

fn is_mounted(place: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    places.any(|mounted| Path::new(mounted) == place)
}

/// The disk with a layer of memory above it in `place/root`; `/run` in it comes last.
fn mount_all(disk: &Path, place: &Path) -> Result<(), String> {
    let [image, memory, root] = ["image", "memory", "root"].map(|name| place.join(name));
    let [upper, work] = ["upper", "work"].map(|name| memory.join(name));
    let directory = |path: &Path| {
        fs::create_dir_all(path).map_err(|e| format!("cannot make {}: {e}", path.display()))
    };
    for path in [&image, &memory, &root] {
        directory(path)?;
    }
    mounted("ext4", Some(disk), &image, MsFlags::MS_RDONLY, "")?;
    mounted("tmpfs", None, &memory, MsFlags::empty(), "")?;
    for path in [&upper, &work] {
        directory(path)?;
    }
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        image.display(),
        upper.display(),
        work.display()
    );
    mounted("overlay", None, &root, MsFlags::empty(), &layers)?;
    for shared in SHARED {
        let place = root.join(shared.trim_start_matches('/'));
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mounted("", Some(Path::new(shared)), &place, bind, "")?;
    }
    mounted("tmpfs", None, &root.join("run"), MsFlags::empty(), "")
}

fn mounted(
    kind: &str,
    source: Option<&Path>,
    place: &Path,
    flags: MsFlags,
    data: &str,
) -> Result<(), String> {
    let source = source.unwrap_or(Path::new(kind));
    mount(Some(source), place, Some(kind), flags, Some(data)).map_err(|errno| {
        format!(
            "cannot mount {} on {}: {errno}",
            source.display(),
            place.display()
        )
    })
}
