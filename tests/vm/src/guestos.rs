// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A Linux guest for the QEMUs in the VM: small, booted already, and waiting for commands.
//!
//! It boots here, once, and its state is kept as QEMU migrates it. In the VM it is restored within a few
//! seconds, where booting would take half a minute: an emulator in an emulator is slow at code that it has not
//! seen before. The oldest QEMU makes the state, on its newest machine type; newer ones take it.
//! `guest/src/guestos.rs` has the other half of the command line.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cpio::Archive;
use crate::kernel::Recipe;
use crate::paths::Paths;
use crate::{cache, client, programs, step};

/// The suites whose VM gets it.
const SUITES: [&str; 2] = ["qemu_guest", "qemu_user"];

/// Its kernel, of which nothing but the image is wanted.
const KERNEL: Recipe<'_> = Recipe {
    name: "kernel-guest",
    called: "guest's",
    minutes: 3,
    fragments: &["kernel-guest.config"],
    make: &[],
    build: r#"
set -eu
make -C build -j"$(nproc)" bzImage
"#,
    pack: r#"
set -eu
cp build/arch/x86/boot/bzImage build/.config .
mv .config config
rm -rf src build
"#,
};

/// Makes `state.gz` in the working directory out of `bzImage` and `initrd`. Run in the build root, whose
/// mounts vanish with it. Argument: the tree with QEMU.
///
/// The last 4 MiB of memory are for DMA (`guestos/src/accel/dma.rs`). Without an IO-APIC the guest takes the
/// interrupt of a card that is plugged in from the BIOS's routing table; the MP table has only those that
/// were there at boot.
const MAKE: &str = r#"
set -eu
tree=$1
mount --bind "$PWD" "$tree/mnt"
mount --rbind /dev "$tree/dev"
: > console
commands() {
    until grep -q '^waiting' console; do sleep 0.1; done
    echo stop
    echo 'migrate "exec:gzip -9 > /mnt/state.gz"'
    echo info migrate
    echo quit
}
commands | timeout 120 chroot "$tree" qemu-system-x86_64 \
    -M pc-i440fx-7.2 -cpu qemu64 -accel tcg -m 64 -nodefaults -no-user-config -display none -no-reboot \
    -kernel /mnt/bzImage -initrd /mnt/initrd -append "console=ttyS0 quiet panic=-1 noapic memmap=4M\$60M" \
    -serial file:/mnt/console -monitor stdio > monitor
cat console monitor
grep -q 'Migration status: completed' monitor
gzip -t state.gz
rm bzImage initrd console monitor
"#;

/// Whether a suite uses it.
pub(crate) fn is_in(suite: &str) -> bool {
    SUITES.contains(&suite)
}

/// The saved state, made if the cache does not have it.
pub(crate) fn ensure(paths: &Paths) -> Result<PathBuf> {
    let kernel = KERNEL.ensure(paths)?;
    let tree = client::named(paths, "bookworm")?;
    let program = programs::guestos(paths)?;
    let program =
        fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    // A product's name has the hash of what it is made from in it.
    let key = cache::key(&[
        name(&kernel),
        name(tree.dir.parent().unwrap_or(Path::new(""))),
        &program,
        MAKE.as_bytes(),
    ]);
    let dir = cache::product(&paths.cache, "guestos", &key, |dir| {
        fs::copy(kernel.join("bzImage"), dir.join("bzImage"))?;
        let mut archive = Archive::new(BufWriter::new(File::create(dir.join("initrd"))?));
        archive.file("init", &program)?;
        archive.directory("dev")?;
        archive.finish()?;
        let mut make = paths.in_root("sh", dir);
        make.args(["-c", MAKE, "sh"]).arg(&tree.dir);
        let log = paths.cache.join(format!("guestos-{key}.build.log"));
        step::run("guest of the guest", &mut make, &log).map(drop)
    })?;
    Ok(dir.join("state.gz"))
}

fn name(product: &Path) -> &[u8] {
    product.file_name().unwrap_or_default().as_encoded_bytes()
}
