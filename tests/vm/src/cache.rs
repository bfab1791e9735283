// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The cache of products that take minutes to make and belong to no checkout.
//!
//! A product is a directory `NAME-KEY`, where KEY is a hash of everything it is made from. It is made
//! under a lock in `NAME-KEY.tmp` and renamed when complete, so a directory with the final name is
//! always whole, and two runs at once make it once. Its lock file says when it was last used: who
//! makes a product removes those of the same name that nobody has used for [`KEPT`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{bail, Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};

/// How long a product stays that is not used. Longer than any run, so that one in use is safe
/// although nobody holds its lock.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The key of a product: 16 hex digits of a hash over all its inputs.
///
/// The length of each part goes into the hash, so that moving a byte from one part to the next
/// changes the key.
pub(crate) fn key<P: AsRef<[u8]>>(parts: &[P]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Takes the lock file at `path`; says so if another run has it. Dropping the value releases it.
pub(crate) fn lock(path: &Path) -> Result<Flock<File>> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    let open = || File::create(path).with_context(|| format!("cannot open {}", path.display()));
    match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
        Ok(held) => Ok(held),
        Err(_) => {
            eprintln!(
                "vmig: waiting for another run that holds {}",
                path.display()
            );
            Flock::lock(open()?, FlockArg::LockExclusive)
                .map_err(|(_, errno)| errno)
                .with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// An error that says so if `dir` has less than `needed` GB free.
pub(crate) fn room(dir: &Path, what: &str, needed: u64) -> Result<()> {
    let stat = statvfs(dir).with_context(|| format!("cannot look at {}", dir.display()))?;
    let free = stat.blocks_available() * stat.fragment_size() / 1_000_000_000;
    if free < needed {
        bail!(
            "{} has {free} GB free, {what} needs {needed}",
            dir.display()
        );
    }
    Ok(())
}

/// The product `name` with `key`, made by `make` in a directory of its own if it is not there.
pub(crate) fn product(
    cache: &Path,
    name: &str,
    key: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let place = cache.join(format!("{name}-{key}"));
    let lock_file = cache.join(format!("{name}-{key}.lock"));
    if place.is_dir() {
        used_now(&lock_file);
        return Ok(place);
    }
    let _held = lock(&lock_file)?;
    if place.is_dir() {
        return Ok(place);
    }
    prune(cache, name, SystemTime::now() - KEPT);
    let partial = cache.join(format!("{name}-{key}.tmp"));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    let made = make(&partial).and_then(|()| Ok(fs::rename(&partial, &place)?));
    if made.is_err() {
        fs::remove_dir_all(&partial).ok();
    }
    made.map(|()| place)
}

/// Notes that a product is in use. Best effort: a cache that cannot be written still works.
fn used_now(lock_file: &Path) {
    let file = File::options().append(true).open(lock_file);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .ok();
}

/// Removes the products `name` that were last used before `limit`, and their logs. Best effort.
fn prune(cache: &Path, name: &str, limit: SystemTime) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let file_name = entry.file_name().to_string_lossy().into_owned();
        let product = file_name.strip_suffix(".lock").unwrap_or_default();
        // `kernel-debug-KEY` is none of `kernel`'s.
        let Some((_, key)) = product.rsplit_once('-').filter(|(of, _)| *of == name) else {
            continue;
        };
        let used = entry.metadata().and_then(|data| data.modified());
        if used.map_or(true, |used| used >= limit) {
            continue;
        }
        let held = File::open(entry.path()).map(|file| {
            // Being made right now, however long that takes.
            Flock::lock(file, FlockArg::LockExclusiveNonblock)
        });
        if let Ok(Ok(_held)) = held {
            eprintln!("vmig: removing {name}-{key}, not used for a month");
            fs::remove_dir_all(cache.join(product)).ok();
            for log in ["config", "build", "pack", "tree", "image"] {
                fs::remove_file(cache.join(format!("{product}.{log}.log"))).ok();
            }
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_depends_on_every_part_and_its_border() {
        let base = key(&["ab", "c"]);
        assert_eq!(base.len(), 16);
        assert_eq!(base, key(&["ab", "c"]));
        for other in [
            vec!["a", "bc"],
            vec!["abc"],
            vec!["ab", "c", ""],
            vec!["c", "ab"],
            vec!["ab", "d"],
        ] {
            assert_ne!(base, key(&other), "{other:?}");
        }
    }

    #[test]
    fn room_is_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        room(dir.path(), "nothing", 0).unwrap();
        let error = room(dir.path(), "everything", u64::MAX)
            .unwrap_err()
            .to_string();
        assert!(error.contains("GB free, everything needs"), "{error}");
    }

    #[test]
    fn product_is_made_once_and_only_whole() {
        let cache = tempfile::tempdir().unwrap();
        let failed = product(cache.path(), "p", "k", |dir| {
            fs::write(dir.join("half"), "")?;
            anyhow::bail!("no")
        });
        assert!(failed.is_err());
        assert!(!cache.path().join("p-k").exists() && !cache.path().join("p-k.tmp").exists());

        // Left over from a run that was killed.
        fs::create_dir_all(cache.path().join("p-k.tmp/old")).unwrap();
        let place = product(cache.path(), "p", "k", |dir| {
            assert!(!dir.join("old").exists());
            Ok(fs::write(dir.join("whole"), "")?)
        })
        .unwrap();
        assert!(place.join("whole").exists());
        product(cache.path(), "p", "k", |_| anyhow::bail!("made twice")).unwrap();
    }

    #[test]
    fn only_old_products_of_the_same_name_are_removed() {
        let cache = tempfile::tempdir().unwrap();
        let make = |name, key| {
            product(cache.path(), name, key, |dir| {
                Ok(fs::write(dir.join("whole"), "")?)
            })
            .unwrap()
        };
        let age = |product: &Path| {
            let lock = product.with_extension("lock");
            let file = File::options().append(true).open(lock).unwrap();
            file.set_modified(SystemTime::now() - 2 * KEPT).unwrap();
        };
        let [old, used, recent, other] =
            [("p", "1"), ("p", "2"), ("p", "3"), ("p-q", "4")].map(|(name, key)| make(name, key));
        for product in [&old, &used, &other] {
            age(product);
        }
        make("p", "2");
        make("p", "5");
        assert!(!old.exists());
        assert!(used.exists() && recent.exists() && other.exists());
    }
}
