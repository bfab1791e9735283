// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig state show`: what a state file of a vmig device holds.

use std::{
    fs,
    io::{
        self,
        BufReader,
        Read, //
    },
};

use serde::Serialize;
use vmig::{
    error::Error,
    value::{
        is_model,
        Params,
        Value, //
    },
};
use vmig_model::{
    crc::Table as Crc,
    stream::{
        self,
        params::Entries,
        wire::Fields,
        Head,
        Header,
        HEADER_LEN,
        HEAD_LEN, //
    },
};

use crate::{
    cli::StateShow,
    context::Context,
    exit::Exit,
    failure::Failure,
    text::{
        escape,
        Table, //
    },
};

/// The longest payload that is read: more than any data sheet allows.
const PAYLOAD_MAX: usize = 16 << 20;

/// `vmig.stream/1`.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    major: u16,
    minor: u16,
    model: String,
    params: Params,
    records: Vec<Record>,
    bytes: u64,
}

#[derive(Serialize)]
struct Record {
    offset: u64,
    tag: u16,
    name: &'static str,
    mandatory: bool,
    bytes: u64,
}

pub(super) fn run(args: &StateShow, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let path = &args.file;
    let document = match path.as_str() {
        "-" => read(BufReader::new(context.streams().stdin), path)?,
        _ => {
            let file = fs::File::open(path);
            let file = file.map_err(|error| Error::unreadable(path, "cannot read", &error))?;
            read(BufReader::new(file), path)?
        }
    };
    if context.json() {
        context.document(&document)?;
    } else {
        context.lines(lines(&document))?;
    }
    Ok(Exit::Done)
}

/// A stream that is being read.
struct Reader<'a, R> {
    input: R,
    path: &'a str,
    at: u64,
}

impl<R: Read> Reader<'_, R> {
    fn malformed(&self, message: impl std::fmt::Display) -> Error {
        Error::malformed(self.path, format!("offset {}: {message}", self.at))
    }

    /// Appends the next `n` bytes to `out`; fewer only at the end.
    fn take(&mut self, n: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let read = self.input.by_ref().take(n as u64).read_to_end(out);
        read.map(drop)
            .map_err(|error: io::Error| Error::unreadable(self.path, "cannot read", &error))
    }

    /// The next record with its checksum right; `None` at the end of the input.
    fn record(&mut self) -> Result<Option<(Head, Vec<u8>)>, Error> {
        let mut bytes = Vec::new();
        self.take(HEAD_LEN, &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let head = Head::parse(&bytes, PAYLOAD_MAX).map_err(|flaw| self.malformed(flaw))?;
        self.take(head.record_len() - HEAD_LEN, &mut bytes)?;
        let payload = stream::payload::<Crc>(&head, &bytes);
        let payload = payload.map_err(|flaw| self.malformed(flaw))?.to_vec();
        Ok(Some((head, payload)))
    }
}

fn read(input: impl Read, path: &str) -> Result<Document, Error> {
    let mut reader = Reader { input, path, at: 0 };
    let mut header = Vec::new();
    reader.take(HEADER_LEN, &mut header)?;
    let header = Header::parse::<Crc>(&header).map_err(|refusal| reader.malformed(refusal))?;
    let mut document = Document {
        schema: "vmig.stream/1",
        major: header.major,
        minor: header.minor,
        model: String::new(),
        params: Params::new(),
        records: Vec::new(),
        bytes: 0,
    };
    reader.at = HEADER_LEN as u64;
    loop {
        let Some((head, payload)) = reader.record()? else {
            return Err(reader.malformed("no trailer: the stream is truncated"));
        };
        match (document.records.len(), head.tag) {
            (0, stream::MODEL) => document.model = model(&reader, &payload)?,
            (0, _) => return Err(reader.malformed("the first record is not the model")),
            (1, stream::PARAMS) | (2.., stream::PARAMS) => {
                document.params = params(&reader, &payload)?;
            }
            (1, _) => return Err(reader.malformed("the second record is not the parameters")),
            (_, stream::TRAILER) => trailer(&reader, &payload, document.records.len())?,
            _ => {}
        }
        document.records.push(Record {
            offset: reader.at,
            tag: head.tag,
            name: name(head.tag),
            mandatory: head.is_mandatory(),
            bytes: head.len as u64,
        });
        reader.at += head.record_len() as u64;
        if head.tag == stream::TRAILER {
            break;
        }
    }
    let mut rest = Vec::new();
    reader.take(1, &mut rest)?;
    if !rest.is_empty() {
        return Err(reader.malformed("bytes after the trailer"));
    }
    document.bytes = reader.at;
    Ok(document)
}

fn model<R: Read>(reader: &Reader<'_, R>, payload: &[u8]) -> Result<String, Error> {
    let text = String::from_utf8(payload.to_vec()).ok();
    text.filter(|text| is_model(text))
        .ok_or_else(|| reader.malformed("not a device model"))
}

fn params<R: Read>(reader: &Reader<'_, R>, payload: &[u8]) -> Result<Params, Error> {
    let entries = Entries::new(payload).map_err(|flaw| reader.malformed(flaw))?;
    let entry = |entry: Result<(&str, vmig_model::params::Value<'_>), _>| {
        let (name, value) = entry.map_err(|flaw| reader.malformed(flaw))?;
        Ok((name.to_owned(), Value::from(value)))
    };
    entries.map(entry).collect()
}

/// The trailer says how many records and bytes come before it.
fn trailer<R: Read>(reader: &Reader<'_, R>, payload: &[u8], records: usize) -> Result<(), Error> {
    let mut fields = Fields::new(payload);
    let said = (fields.u32().map(u64::from), fields.u64());
    if said == (Some(records as u64), Some(reader.at)) && fields.is_empty() {
        return Ok(());
    }
    Err(reader.malformed("the trailer counts other records or bytes"))
}

fn name(tag: u16) -> &'static str {
    match tag {
        stream::MODEL => "model",
        stream::PARAMS => "parameters",
        stream::TRAILER => "trailer",
        _ => "state",
    }
}

fn lines(document: &Document) -> Vec<String> {
    let mut lines = vec![
        format!(
            "stream: version {}.{}, {} bytes",
            document.major, document.minor, document.bytes
        ),
        format!("model: {}", escape(&document.model)),
    ];
    let params = document.params.iter();
    lines.extend(params.map(|(name, value)| escape(&format!("{name}={value}")).into_owned()));
    let mut table = Table::new(&["OFFSET", "TAG", "RECORD", "MANDATORY", "BYTES"]);
    for record in &document.records {
        table.row([
            record.offset.to_string(),
            format!("0x{:04x}", record.tag),
            record.name.to_owned(),
            if record.mandatory { "yes" } else { "no" }.to_owned(),
            record.bytes.to_string(),
        ]);
    }
    lines.extend(table.lines());
    lines
}
