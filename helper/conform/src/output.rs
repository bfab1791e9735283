// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Results and the catalogue in the forms that programs and pages have.

mod json;
mod ktap;
mod page;

pub use self::{
    json::{
        CatalogueDocument,
        Document, //
    },
    ktap::Ktap,
    page::catalogue as catalogue_page, //
};
