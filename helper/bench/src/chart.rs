// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Charts of what `cargo vmtest bench` and `vmig-bench programs` have measured: one for each group of figures, a bar for each
//! ratio.

use std::{
    fs,
    path::Path, //
};

use anyhow::{anyhow, ensure, Context, Result};
use plotters::{
    prelude::*,
    style::text_anchor::{
        HPos,
        Pos,
        VPos, //
    },
};
use serde_json::Value;

/// Pixels.
const WIDTH: u32 = 1100;
const ROW: u32 = 44;
const HEAD: u32 = 40;
const FOOT: u32 = 50;
/// Of the names on the left, and of what stands behind the bars.
const NAMES: u32 = 340;
const VALUES: u32 = 340;

const FONT: &str = "sans-serif";

/// A thing beside its peer.
#[derive(Clone, Debug, PartialEq)]
struct Bar {
    name: String,
    ratio: f64,
    /// Both values.
    text: String,
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    name: String,
    bars: Vec<Bar>,
}

/// Files with figures; of those that are not there no charts are drawn.
const FILES: [&str; 2] = ["devices.json", "programs.json"];

/// Draws a chart `GROUP.svg` in `directory` for each group of its files of which something was
/// measured.
pub(crate) fn draw_all(directory: &Path) -> Result<()> {
    let files = FILES.map(|name| directory.join(name));
    let files: Vec<_> = files.iter().filter(|file| file.exists()).collect();
    ensure!(!files.is_empty(), "no figures in {}", directory.display());
    for file in files {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        for group in groups(&serde_json::from_slice(&text)?)? {
            let place = directory.join(file_name(&group.name));
            fs::write(&place, draw(&group)?)
                .with_context(|| format!("cannot write {}", place.display()))?;
            println!("{}", place.display());
        }
    }
    Ok(())
}

/// Small letters and digits, the rest as `-`.
fn file_name(group: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    group.chars().map(plain).collect::<String>() + ".svg"
}

/// The groups of a file of schema `vmig.bench/1`, without what could not be measured.
fn groups(file: &Value) -> Result<Vec<Group>> {
    let schema = file["schema"].as_str().unwrap_or_default();
    if schema != "vmig.bench/1" {
        return Err(anyhow!("not a file of schema vmig.bench/1: {schema:?}"));
    }
    let figures = file["figures"].as_array().context("no figures")?;
    let mut groups = Vec::<Group>::new();
    for figure in figures.iter().filter(|figure| !figure["value"].is_null()) {
        let (name, bar) = bar(figure).with_context(|| format!("not a figure: {figure}"))?;
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group {
                name,
                bars: vec![bar],
            }),
        }
    }
    Ok(groups)
}

/// The group of a figure, and its bar.
fn bar(figure: &Value) -> Option<(String, Bar)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let peer = &figure["peer"];
    let (value, beside) = (figure["value"].as_f64()?, peer["value"].as_f64()?);
    let (unit, peer) = (text(&figure["unit"])?, text(&peer["name"])?);
    let ratio = figure["ratio"].as_f64()?;
    let bar = Bar {
        name: text(&figure["name"])?,
        ratio,
        text: format!("{ratio:.2}: {value:.1} {unit}, {peer} {beside:.1}"),
    };
    Some((text(&figure["group"])?, bar))
}

/// One chart, as SVG.
fn draw(group: &Group) -> Result<String> {
    let rows = u32::try_from(group.bars.len())?;
    let mut svg = String::new();
    {
        let size = (WIDTH, HEAD + rows * ROW + FOOT);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let ratios = group.bars.iter().map(|bar| bar.ratio);
        let most = ratios.fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("{}, ratio to the peer", group.name), (FONT, 20))
            .set_label_area_size(LabelAreaPosition::Left, NAMES)
            .set_label_area_size(LabelAreaPosition::Bottom, FOOT / 2)
            .margin_right(VALUES)
            .build_cartesian_2d(0.0..most, 0..rows)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels(6)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let name = place(HPos::Right);
        let value = place(HPos::Left);
        // The first row at the top.
        for (bar, row) in group.bars.iter().zip((0..rows).rev()) {
            let low = chart.backend_coord(&(0.0, row));
            let high = chart.backend_coord(&(bar.ratio, row + 1));
            let middle = high.1 + (low.1 - high.1) / 2;
            let corners = [(low.0, low.1 - 6), (high.0, high.1 + 6)];
            area.draw(&Rectangle::new(corners, BLUE.mix(0.6).filled()))?;
            area.draw(&Text::new(bar.name.as_str(), (low.0 - 8, middle), &name))?;
            area.draw(&Text::new(bar.text.as_str(), (high.0 + 6, middle), &value))?;
        }
        let one = [(1.0, 0), (1.0, rows)];
        chart.draw_series(LineSeries::new(one, BLACK))?;
        area.present()?;
    }
    Ok(svg)
}

/// Text beside a bar.
fn place(side: HPos) -> TextStyle<'static> {
    let style = (FONT, 13).into_text_style(&(WIDTH, ROW));
    style.pos(Pos::new(side, VPos::Center))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../../tests/golden/bench.json");

    #[test]
    fn each_group_that_was_measured_has_a_chart() {
        let groups = groups(&serde_json::from_str(GOLDEN).unwrap()).unwrap();
        let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["Save and load", "Left for stop-copy"]);
        assert_eq!(
            groups[0].bars,
            [Bar {
                name: "save, 64 MiB".to_owned(),
                ratio: 0.8,
                text: "0.80: 800.0 MB/s, a pipe 1000.0".to_owned(),
            }]
        );
        for group in &groups {
            let svg = draw(group).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            let texts = [&group.name, &group.bars[0].name, &group.bars[0].text];
            for text in texts {
                assert!(svg.contains(text.as_str()), "{text}: {svg}");
            }
        }
    }

    #[test]
    fn a_bar_is_as_long_as_the_ratio() {
        let bar = |ratio| Bar {
            name: String::new(),
            ratio,
            text: String::new(),
        };
        let bars = vec![bar(0.5), bar(2.0), bar(0.0)];
        let name = "G".to_owned();
        let svg = draw(&Group { name, bars }).unwrap();
        let rectangles = svg.lines().filter(|line| line.starts_with("<rect"));
        let widths: Vec<i32> = rectangles
            .filter_map(|line| {
                let (_, rest) = line.split_once("width=\"")?;
                rest.split_once('"')?.0.parse().ok()
            })
            .collect();
        // The first is the background.
        let [WHOLE, half, whole, nothing] = widths[..] else {
            panic!("{svg}");
        };
        assert_eq!(nothing, 0);
        assert!(
            (whole - 4 * half).abs() <= 4,
            "{whole} is not 4 times {half}"
        );
    }

    const WHOLE: i32 = 1100;

    #[test]
    fn another_file_is_refused() {
        for text in [
            r#"{"schema": "vmig.inventory/1", "figures": []}"#,
            r#"{"schema": "vmig.bench/1"}"#,
            r#"{"schema": "vmig.bench/1", "figures": [{"group": "a", "name": "b", "value": 1}]}"#,
            "[]",
        ] {
            assert!(
                groups(&serde_json::from_str(text).unwrap()).is_err(),
                "{text}"
            );
        }
        assert_eq!(file_name("Save and load"), "save-and-load.svg");
    }
}
