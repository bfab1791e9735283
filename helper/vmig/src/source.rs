// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sources: where documents come from.
//!
//! A SOURCE is `-` (standard input), `exec:PROGRAM ARGS`, an existing path (the directory of an mdev
//! type, a directory of `*.json` files, or a file), or `PARENT/TYPE`, tried in this order. A file
//! holds one document or many, one after the other; each is migration information or an inventory.
//!
//! What could not be read is a result like any other: one bad document never hides the others.

mod settle;

use std::{
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

pub use self::settle::settle;
use crate::{
    error::Error,
    exec,
    inventory::{
        self,
        Host,
        Implementation,
        Info,
        Inventory,
        Known,
        Wanted, //
    },
    json::{
        Spare,
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

/// How much of an input is read at a time.
const BUFFER: usize = 1 << 18;

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
    /// [`Code::Unreadable`](crate::error::Code::Unreadable): nothing there; [`Code::Malformed`](crate::error::Code::Malformed): a command that cannot be split.
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
    /// Makes it the one of the `n`-th of several documents of `text`.
    fn number(&mut self, text: &str, n: usize) {
        self.source = numbered(text, n);
        if !self.inventory {
            let mut host = Host::clone(&self.host);
            host.name.clone_from(&self.source);
            self.host = Arc::new(host);
        }
    }
}

/// Reads all sources, in their order; none: all types of this host.
pub fn read(texts: &[String], system: &System, stdin: &mut dyn Read) -> Vec<Record> {
    read_as(Wanted::Documents, texts, system, stdin)
}

/// As [`read`], where only verdicts about the documents are wanted: what nobody asks for is left out
/// of each [`Info`].
pub fn read_for_verdicts(texts: &[String], system: &System, stdin: &mut dyn Read) -> Vec<Record> {
    read_as(Wanted::Verdicts, texts, system, stdin)
}

fn read_as(wanted: Wanted, texts: &[String], system: &System, stdin: &mut dyn Read) -> Vec<Record> {
    let mut reader = Reader {
        system,
        host: Arc::new(system.host()),
        known: Known::new(wanted),
        spare: Spare::default(),
    };
    if texts.is_empty() {
        return reader.this_host();
    }
    let mut records = Vec::new();
    for text in texts {
        match Source::resolve(text, system) {
            Ok(source) => records.extend(reader.source(text, &source, stdin)),
            Err(error) => records.push(reader.bare(text.clone(), Err(error))),
        }
    }
    records
}

/// Reads the text of a list; `-` is standard input. What is longer than any list is not read whole.
///
/// # Errors
///
/// [`Code::Unreadable`](crate::error::Code::Unreadable).
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
    known: Known,
    spare: Spare,
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
            Err(error) => vec![self.bare(error.path.clone(), Err(error))],
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
    fn bare(&self, source: String, info: Result<Arc<Info>, Error>) -> Record {
        let host = Host {
            name: source.clone(),
            boot_id: None,
            kernel: String::new(),
            ..Host::clone(&self.host)
        };
        Record {
            host: Arc::new(host),
            ..self.local(source, Implementation::shared(info))
        }
    }

    fn source(&mut self, text: &str, source: &Source, stdin: &mut dyn Read) -> Vec<Record> {
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
    fn directory(&mut self, path: &Path, text: &str) -> Vec<Record> {
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
                return vec![self.bare(text.to_owned(), Err(error))];
            }
        };
        let json = names.iter().filter(|name| {
            let name = name.to_string_lossy();
            name.ends_with(".json") && !name.starts_with('.')
        });
        let mut records = Vec::new();
        for name in json.filter(|name| !path.join(name).is_dir()) {
            let shown = Path::new(text).join(name).display().to_string();
            records.extend(self.file(&path.join(name), &shown));
        }
        records
    }

    fn file(&mut self, path: &Path, text: &str) -> Vec<Record> {
        match fs::File::open(path) {
            Ok(file) => self.documents(file, text),
            Err(error) => {
                let error = Error::unreadable(text, "cannot read", &error);
                vec![self.bare(text.to_owned(), Err(error))]
            }
        }
    }

    /// All documents of an input.
    fn documents(&mut self, input: impl Read, text: &str) -> Vec<Record> {
        let mut split = Split::new(BufReader::with_capacity(BUFFER, input));
        let mut records: Vec<Record> = Vec::new();
        loop {
            let piece = match split.next() {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => break,
                Err(error) => Err(Error::unreadable(text, "cannot read", &error)),
            };
            let is_last = piece.is_err();
            // The first gets its number when it turns out not to be the only one.
            if let [only] = records.as_mut_slice() {
                only.number(text, 1);
            }
            let source = match records.len() {
                0 => text.to_owned(),
                before => numbered(text, before + 1),
            };
            records.push(match piece {
                Ok(Piece::Document(piece)) => self.document(piece, text, source),
                Ok(Piece::TooLong) => {
                    let error = Error::malformed(text, "document of more than 16 MiB");
                    self.bare(source, Err(error))
                }
                Err(error) => self.bare(source, Err(error)),
            });
            if is_last {
                break;
            }
        }
        if records.is_empty() {
            let error = Error::malformed(text, "empty: no document");
            records.push(self.bare(text.to_owned(), Err(error)));
        }
        records
    }

    /// Migration information, or an inventory: `piece` of what `text` names.
    fn document(&mut self, piece: &[u8], text: &str, source: String) -> Record {
        if let Some(info) = self.known.text(piece) {
            return self.bare(source, Ok(info));
        }
        let tree = match Tree::parse_in(&mut self.spare, piece, text) {
            Ok(tree) => tree,
            Err(error) => return self.bare(source, Err(error)),
        };
        let mut warnings = Vec::new();
        let at = At::root(tree.root(), text);
        let read = at.find("schema").and_then(|schema| match schema {
            None => self.known.read(&at, piece).map(Err),
            Some(schema) if schema.str()? == inventory::SCHEMA => {
                Inventory::read(&at, &mut self.known, &mut warnings).map(Ok)
            }
            Some(schema) => Err(schema.malformed(format!("not {}", inventory::SCHEMA))),
        });
        tree.leave(&mut self.spare);
        match read {
            Ok(Ok(inventory)) => Record {
                source,
                host: Arc::new(inventory.host),
                implementations: inventory.implementations,
                inventory: true,
                warnings,
            },
            Ok(Err(info)) => self.bare(source, Ok(info)),
            Err(error) => self.bare(source, Err(error)),
        }
    }
}

/// The name of the `n`-th of several documents of `text`.
fn numbered(text: &str, n: usize) -> String {
    format!("{text}#{n}")
}
