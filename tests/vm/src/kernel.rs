// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The kernels of the VM, built from Debian's source package with the fragments in `tests`.
//!
//! The product holds only what the VM and a module build need:
//!
//! | file | what |
//! |---|---|
//! | `bzImage`, `config`, `release` | to boot, to look at, the version string |
//! | `image/lib/modules/RELEASE/` | the kernel's own modules, installed |
//! | `headers/` | for `make -C headers M=...`, made by the kernel's own `install-extmod-build`, plus what Rust and clippy need |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use crate::flavor::Flavor;
use crate::fragment;
use crate::paths::Paths;
use crate::{cache, step};

/// The package that is taken if the archive has it; else the newest of the same major version.
const PREFERRED: &str = "linux-source-7.3";

/// Run in an empty directory; leaves the package file and `name`.
const DOWNLOAD: &str = r#"
set -eu
apt-get update -q
list=$(apt-cache pkgnames linux-source-7. | sort -V)
name=$(echo "$list" | grep -x "$1" || echo "$list" | tail -n 1)
[ -n "$name" ] || { echo "E: the archive has no linux-source-7.x"; exit 1; }
apt-get download -q -o APT::Sandbox::User=root "$name"
echo "$name" > name
"#;

/// Run in the product's directory with the package and the settings as arguments.
const CONFIGURE: &str = r#"
set -eu
mkdir src build
dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards './usr/src/linux-source-*.tar.*' > src.tar.xz
tar -xf src.tar.xz -C src --strip-components=1
rm src.tar.xz
make -C src O=../build tinyconfig
cd build
../src/scripts/kconfig/merge_config.sh -m -O . .config "$2"
make olddefconfig
"#;

/// Run in the product's directory after [`CONFIGURE`].
const BUILD: &str = r#"
set -eu
make -C build -j"$(nproc)" bzImage modules
"#;

/// Run in the product's directory after [`BUILD`]: keeps what is needed, drops the rest (2 GB).
const PACK: &str = r#"
set -eu
out=$PWD
cd build
make INSTALL_MOD_PATH="$out/image" modules_install
rm -f "$out"/image/lib/modules/*/build
make run-command KBUILD_RUN_COMMAND="\$(srctree)/scripts/package/install-extmod-build $out/headers"
cp .config "$out/headers/.config"
mkdir -p "$out/headers/rust" "$out/headers/tools/lib"
cp rust/*.rmeta rust/*.so ../src/rust/Makefile "$out/headers/rust/"
cp ../src/.clippy.toml "$out/headers/"
cp -r ../src/tools/docs "$out/headers/tools/"
cp -r ../src/tools/lib/python "$out/headers/tools/lib/"
cp arch/x86/boot/bzImage "$out/bzImage"
cp .config "$out/config"
cp include/config/kernel.release "$out/release"
cd "$out"
rm -rf src build
"#;

/// A built kernel.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// Which one it is.
    pub(crate) flavor: Flavor,
    /// The product's directory.
    pub(crate) dir: PathBuf,
    /// Version string, as in `/lib/modules/RELEASE`.
    pub(crate) release: String,
}

/// How a kernel is made.
#[derive(Debug)]
pub(crate) struct Recipe<'a> {
    /// Name of the product.
    pub(crate) name: &'a str,
    /// What a person calls it.
    pub(crate) called: &'a str,
    /// For a person who waits.
    pub(crate) minutes: u32,
    /// The files of `tests` that make its configuration; a later one goes before an earlier one.
    pub(crate) fragments: &'a [&'a str],
    /// What `make` has to know, as `NAME=value`.
    pub(crate) make: &'a [&'a str],
    /// A script that is run in the product's directory, in which `src` and a configured `build` are.
    pub(crate) build: &'a str,
    /// A script that keeps what is needed and removes these two.
    pub(crate) pack: &'a str,
}

impl Recipe<'_> {
    /// The product's directory, made if the cache does not have it.
    pub(crate) fn ensure(&self, paths: &Paths) -> Result<PathBuf> {
        // Its name has the hash of what it is made from in it.
        let root = paths.root()?;
        let root = root
            .file_name()
            .context("build-root --where names no directory")?
            .to_string_lossy();
        let package = package_in(&source(paths, &root)?)?;
        let version = package
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let fragments = fragments(paths, self.fragments)?;
        let wanted = fragment::merged(&fragments);
        let settings = wanted.join("\n");
        let mut made_from = vec![
            &*root, &version, &settings, CONFIGURE, self.build, self.pack,
        ];
        made_from.extend(self.make);
        let key = cache::key(&made_from);
        let name = self.name;
        cache::product(&paths.cache, name, &key, |dir| {
            cache::room(dir, "building the kernel", 4)?;
            eprintln!(
                "vmig: building the {} kernel of {version}, about {} minutes on 2 cores",
                self.called, self.minutes
            );
            let file = dir.join("fragment");
            fs::write(&file, &settings)?;
            let run = |what: &str, script: &str, part: &str| {
                let mut command = paths.in_root("env", dir);
                command.args(self.make).args(["sh", "-c", script, "sh"]);
                command.arg(&package).arg(&file);
                let log = paths.cache.join(format!("{name}-{key}.{part}.log"));
                step::run(what, &mut command, &log)
            };
            run("kernel configuration", CONFIGURE, "config")?;
            let config = fs::read_to_string(dir.join("build/.config"))?;
            let lost = fragment::lost(&wanted, &config);
            if !lost.is_empty() {
                bail!(
                    "Kconfig dropped these lines of {}: {}",
                    self.fragments.join(" and "),
                    lost.join(", ")
                );
            }
            run("kernel", self.build, "build")?;
            run("kernel packing", self.pack, "pack").map(drop)
        })
    }
}

impl Kernel {
    /// The kernel for this checkout's fragments, built if the cache does not have it.
    pub(crate) fn ensure(paths: &Paths, flavor: Flavor) -> Result<Self> {
        let recipe = Recipe {
            name: &flavor.of("kernel", '-'),
            called: flavor.name(),
            minutes: flavor.minutes(),
            fragments: flavor.fragments(),
            make: flavor.make(),
            build: BUILD,
            pack: PACK,
        };
        let dir = recipe.ensure(paths)?;
        let release = fs::read_to_string(dir.join("release"))?.trim().to_owned();
        Ok(Self {
            flavor,
            dir,
            release,
        })
    }

    /// What `make -C` takes to build a module.
    pub(crate) fn headers(&self) -> PathBuf {
        self.dir.join("headers")
    }

    /// `lib/modules/RELEASE` of the kernel's own modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.dir.join("image/lib/modules").join(&self.release)
    }
}

/// The directory with the source package, downloaded if the cache does not have it.
fn source(paths: &Paths, root: &str) -> Result<PathBuf> {
    let key = cache::key(&[root, DOWNLOAD, PREFERRED]);
    cache::product(&paths.cache, "source", &key, |dir| {
        eprintln!("vmig: downloading the kernel source");
        let mut download = paths.in_root("sh", dir);
        download.args(["-c", DOWNLOAD, "sh", PREFERRED]);
        step::run("download", &mut download, &paths.cache.join("source.log"))?;
        let name = fs::read_to_string(dir.join("name"))?;
        if name.trim() != PREFERRED {
            eprintln!(
                "vmig: the archive has no {PREFERRED} any more, taking {}",
                name.trim()
            );
        }
        Ok(())
    })
}

/// The texts of the fragments `names`.
fn fragments(paths: &Paths, names: &[&str]) -> Result<Vec<String>> {
    let read = |name: &&str| {
        let file = paths.checkout.join("tests").join(name);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    names.iter().map(read).collect()
}

fn package_in(source: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "deb") {
            return Ok(path);
        }
    }
    bail!(
        "{} holds no package: remove it and try again",
        source.display()
    )
}
