// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sources: where documents come from.
//!
//! A SOURCE is `-` (standard input), `exec:PROGRAM ARGS`, an existing path (the directory of an mdev
//! type, a directory of `*.json` files, or a file), or `PARENT/TYPE`, tried in this order. A file
//! holds one document or many, one after the other; each is migration information or an inventory.
//!
//! What could not be read is a result like any other: one bad document never hides the others.

use std::{
    collections::BTreeMap,
    fs,
    io::{
        self,
        BufReader,
        Read, //
    },
    path::{
        Path,
        PathBuf, //
    },
    sync::Arc,
};

use crate::{
    error::{
        Code,
        Error, //
    },
    exec,
    inventory::{
        self,
        Host,
        Implementation,
        Info,
        Inventory, //
    },
    json::{
        Tree,
        DOCUMENT_MAX, //
    },
    read::At,
    split::{
        Piece,
        Split, //
    },
    sysfs::{
        System,
        TypeDir, //
    },
};

/// A SOURCE, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A program that prints its migration information.
    Exec(Vec<String>),
    /// The directory of an mdev type.
    Type(TypeDir),
    /// A directory of `*.json` files.
    Directory(PathBuf),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Finds out what `text` names.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`]: nothing there; [`Code::Malformed`]: a command that cannot be split.
    pub fn resolve(text: &str, system: &System) -> Result<Self, Error> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if let Some(command) = text.strip_prefix("exec:") {
            return exec::split(command).map(Self::Exec);
        }
        let path = Path::new(text);
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(match TypeDir::at(path) {
                Some(dir) => Self::Type(dir),
                None => Self::Directory(path.to_owned()),
            }),
            Ok(_) => Ok(Self::File(path.to_owned())),
            Err(error) => match system.find_type(text) {
                Some(dir) => Ok(Self::Type(dir)),
                None => Err(Error::unreadable(
                    text,
                    "no such file, nor PARENT/TYPE",
                    &error,
                )),
            },
        }
    }
}

/// What a source holds about one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The source as typed; with the file for a directory, with `#n` for the n-th of several
    /// documents.
    pub source: String,
    /// The host. A bare document is its own host, named by `source`.
    pub host: Arc<Host>,
    /// What the host offers there.
    pub implementations: Vec<Implementation>,
    /// Whether this is an inventory: all of the host at one time.
    pub inventory: bool,
    /// What is odd, but no reason to refuse anything.
    pub warnings: Vec<Error>,
}

impl Record {
    /// The same, read from the `n`-th of several documents.
    fn numbered(mut self, n: usize) -> Self {
        self.source = format!("{}#{n}", self.source);
        if !self.inventory {
            let mut host = Host::clone(&self.host);
            host.name.clone_from(&self.source);
            self.host = Arc::new(host);
        }
        self
    }
}

/// Reads all sources, in their order; none: all types of this host.
pub fn read(texts: &[String], system: &System, stdin: &mut dyn Read) -> Vec<Record> {
    let reader = Reader {
        system,
        host: Arc::new(system.host()),
    };
    if texts.is_empty() {
        return reader.this_host();
    }
    let mut records = Vec::new();
    for text in texts {
        match Source::resolve(text, system) {
            Ok(source) => records.extend(reader.source(text, &source, stdin)),
            Err(error) => records.push(reader.bare(text, Err(error))),
        }
    }
    records
}

/// Reads the text of a list; `-` is standard input. What is longer than any list is not read whole.
///
/// # Errors
///
/// [`Code::Unreadable`].
pub fn read_list(text: &str, stdin: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let limit = DOCUMENT_MAX as u64 + 1;
    let read = match text {
        "-" => stdin.take(limit).read_to_end(&mut data),
        _ => fs::File::open(text).and_then(|file| file.take(limit).read_to_end(&mut data)),
    };
    match read {
        Ok(_) => Ok(data),
        Err(error) => Err(Error::unreadable(text, "cannot read", &error)),
    }
}

struct Reader<'a> {
    system: &'a System,
    host: Arc<Host>,
}

impl Reader<'_> {
    /// Every type that has migration information.
    fn this_host(&self) -> Vec<Record> {
        match self.system.all_types() {
            Ok(types) => types
                .iter()
                .filter(|dir| dir.is_migratable())
                .map(|dir| self.one_type(dir.name(), dir))
                .collect(),
            Err(error) => vec![self.bare(&error.path.clone(), Err(error))],
        }
    }

    fn one_type(&self, source: String, dir: &TypeDir) -> Record {
        self.local(source, self.system.implementation(dir))
    }

    /// Something that this host offers.
    fn local(&self, source: String, found: Implementation) -> Record {
        let warnings = match &found.info {
            Ok(info) => info.document.warnings.clone(),
            Err(_) => Vec::new(),
        };
        Record {
            source,
            host: Arc::clone(&self.host),
            implementations: vec![found],
            inventory: false,
            warnings,
        }
    }

    /// A document about which nothing else is known: it is its own host.
    fn bare(&self, source: &str, info: Result<Info, Error>) -> Record {
        let host = Host {
            name: source.to_owned(),
            boot_id: None,
            kernel: String::new(),
            ..Host::clone(&self.host)
        };
        Record {
            host: Arc::new(host),
            ..self.local(source.to_owned(), Implementation::bare(info))
        }
    }

    fn source(&self, text: &str, source: &Source, stdin: &mut dyn Read) -> Vec<Record> {
        match source {
            Source::Stdin => self.documents(stdin, text),
            Source::Exec(argv) => vec![self.exec(text, argv)],
            Source::Type(dir) => vec![self.one_type(text.to_owned(), dir)],
            Source::Directory(path) => self.directory(path, text),
            Source::File(path) => self.file(path, text),
        }
    }

    fn exec(&self, text: &str, argv: &[String]) -> Record {
        let info = exec::run(argv, text, exec::TIMEOUT).and_then(|out| Info::parse(&out, text));
        self.local(
            text.to_owned(),
            Implementation {
                program: Some(argv.to_vec()),
                ..Implementation::bare(info)
            },
        )
    }

    /// The `*.json` files of a directory, by name in byte order, without those of its subdirectories.
    fn directory(&self, path: &Path, text: &str) -> Vec<Record> {
        let list = || -> io::Result<Vec<_>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                names.push(entry?.file_name());
            }
            names.sort_unstable();
            Ok(names)
        };
        let names = match list() {
            Ok(names) => names,
            Err(error) => {
                let error = Error::unreadable(text, "cannot list", &error);
                return vec![self.bare(text, Err(error))];
            }
        };
        let json = names.iter().filter(|name| {
            let name = name.to_string_lossy();
            name.ends_with(".json") && !name.starts_with('.')
        });
        json.filter(|name| !path.join(name).is_dir())
            .flat_map(|name| {
                let shown = Path::new(text).join(name).display().to_string();
                self.file(&path.join(name), &shown)
            })
            .collect()
    }

    fn file(&self, path: &Path, text: &str) -> Vec<Record> {
        match fs::File::open(path) {
            Ok(file) => self.documents(file, text),
            Err(error) => {
                let error = Error::unreadable(text, "cannot read", &error);
                vec![self.bare(text, Err(error))]
            }
        }
    }

    /// All documents of an input.
    fn documents(&self, input: impl Read, text: &str) -> Vec<Record> {
        let mut split = Split::new(BufReader::with_capacity(1 << 16, input));
        let mut records = Vec::new();
        loop {
            match split.next() {
                Ok(Some(Piece::Document(piece))) => records.push(self.document(&piece, text)),
                Ok(Some(Piece::TooLong)) => {
                    let error = Error::malformed(text, "document of more than 16 MiB");
                    records.push(self.bare(text, Err(error)));
                }
                Ok(None) => break,
                Err(error) => {
                    let error = Error::unreadable(text, "cannot read", &error);
                    records.push(self.bare(text, Err(error)));
                    break;
                }
            }
        }
        if records.is_empty() {
            let error = Error::malformed(text, "empty: no document");
            records.push(self.bare(text, Err(error)));
        }
        if records.len() == 1 {
            return records;
        }
        let numbered = |(n, record): (usize, Record)| record.numbered(n);
        (1..).zip(records).map(numbered).collect()
    }

    /// Migration information, or an inventory.
    fn document(&self, piece: &[u8], text: &str) -> Record {
        let mut warnings = Vec::new();
        let read = Tree::parse(piece, text).and_then(|tree| {
            let at = At::root(tree.root(), text);
            match at.find("schema")? {
                None => Info::read(&at).map(Err),
                Some(schema) if schema.str()? == inventory::SCHEMA => {
                    Inventory::read(&at, &mut warnings).map(Ok)
                }
                Some(schema) => Err(schema.malformed(format!("not {}", inventory::SCHEMA))),
            }
        });
        match read {
            Ok(Ok(inventory)) => Record {
                source: text.to_owned(),
                host: Arc::new(inventory.host),
                implementations: inventory.implementations,
                inventory: true,
                warnings,
            },
            Ok(Err(info)) => self.bare(text, Ok(info)),
            Err(error) => self.bare(text, Err(error)),
        }
    }
}

/// Keeps one inventory of each host: that of the newest time. Returns what was dropped as stale.
///
/// Others of the same boot are duplicates, which is not worth a word. Two of the newest time that
/// say different things cannot both be true: the host becomes a [`Code::Contradiction`].
pub fn settle(records: &mut Vec<Record>) -> Vec<Error> {
    let mut hosts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, record) in records.iter().enumerate() {
        if record.inventory {
            hosts.entry(&record.host.name).or_default().push(i);
        }
    }
    let mut fates: Vec<Fate> = records.iter().map(|_| Fate::Keep).collect();
    for found in hosts.into_values() {
        // The first of those with the newest time.
        let newest = found.iter().copied().reduce(|a, b| {
            if records[a].host.time < records[b].host.time {
                b
            } else {
                a
            }
        });
        let Some(newest) = newest else { continue };
        for other in found.into_iter().filter(|other| *other != newest) {
            if let Some(error) = contradiction(&records[newest], &records[other]) {
                fates[newest] = Fate::Refuse(error);
            }
            fates[other] = Fate::Drop(stale(&records[newest], &records[other]));
        }
    }
    let mut notices = Vec::new();
    let settled = std::mem::take(records).into_iter().zip(fates);
    *records = settled
        .filter_map(|(mut record, fate)| {
            match fate {
                Fate::Keep => {}
                Fate::Drop(notice) => {
                    notices.extend(notice);
                    return None;
                }
                Fate::Refuse(error) => {
                    record.implementations = vec![Implementation::bare(Err(error))];
                }
            }
            Some(record)
        })
        .collect();
    notices
}

/// What becomes of a record.
enum Fate {
    Keep,
    Drop(Option<Error>),
    Refuse(Error),
}

fn contradiction(newest: &Record, other: &Record) -> Option<Error> {
    /// What a record says: everything that its digests cover, and what that belongs to.
    fn said(record: &Record) -> Vec<impl PartialEq + '_> {
        let one = |offer: &'_ Implementation| {
            let digest = offer.info.as_ref().map(|info| info.digest.clone());
            (
                offer.parent.clone(),
                offer.kind.clone(),
                offer.program.clone(),
                digest.ok(),
            )
        };
        record.implementations.iter().map(one).collect()
    }
    if newest.host.time != other.host.time || said(newest) == said(other) {
        return None;
    }
    let message = format!(
        "host {} is described otherwise, for the same time, in {}",
        newest.host.name, other.source
    );
    Some(Error::new(
        Code::Contradiction,
        newest.source.clone(),
        message,
    ))
}

fn stale(newest: &Record, other: &Record) -> Option<Error> {
    let (new, old) = (&newest.host, &other.host);
    let same_boot = old.boot_id.is_some() && old.boot_id == new.boot_id;
    if same_boot || old.time == new.time {
        return None;
    }
    let message = format!(
        "stale: host {} is described later in {}",
        new.name, newest.source
    );
    Some(Error::new(
        Code::Contradiction,
        other.source.clone(),
        message,
    ))
}
