// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What vmig is measured against.

use std::fs;

use anyhow::Result;
use serde_json::Value;

/// Parses every document of a file, on one thread.
pub(crate) fn parse(file: &str) -> Result<()> {
    let text = fs::read(file)?;
    let mut documents = 0;
    for document in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        drop(document?);
        documents += 1;
    }
    println!("{documents} documents");
    Ok(())
}

/// The obvious way to parameters that fit everywhere: the init values of each document against
/// every other document.
pub(crate) fn pairwise(file: &str) -> Result<()> {
    let text = fs::read(file)?;
    let documents: Vec<Value> = serde_json::Deserializer::from_slice(&text)
        .into_iter()
        .collect::<Result<_, _>>()?;
    let params = |document: &Value| -> Vec<(String, Value, Vec<Value>)> {
        let models = document["models"].as_object().into_iter().flatten();
        let params =
            models.flat_map(|(_, model)| model["params"].as_object().into_iter().flatten());
        params
            .map(|(name, param)| {
                let allowed = param["allowed_values"].as_array().cloned();
                (
                    name.clone(),
                    param["init_value"].clone(),
                    allowed.unwrap_or_default(),
                )
            })
            .collect()
    };
    let documents: Vec<_> = documents.iter().map(params).collect();
    let covers = |item: &Value, value: &Value| {
        let range = item.as_str().zip(value.as_u64()).and_then(|(item, n)| {
            let (min, max) = item.split_once('-')?;
            Some(min.parse::<u64>().ok()? <= n && n <= max.parse::<u64>().ok()?)
        });
        range.unwrap_or(item == value)
    };
    let fits = |from: &[(String, Value, Vec<Value>)], to: &[(String, Value, Vec<Value>)]| {
        from.iter()
            .zip(to)
            .all(|((name, init, _), (other, _, allowed))| {
                name == other && allowed.iter().any(|item| covers(item, init))
            })
    };
    let fits_all = documents
        .iter()
        .filter(|from| documents.iter().all(|to| fits(from, to)))
        .count();
    println!("{fits_all} fit everywhere");
    Ok(())
}
