//! Dirty files, read as a user would have them read; whole tables and whole messages are compared.

mod columnar;
mod files;
mod formats;
mod look;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use tempfile::TempDir;

use super::*;

/// A folder with files, and what reading them gives.
struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs_err::write(folder.path().join(name), bytes).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> File {
        File { name: name.to_owned(), path: self.path().join(name) }
    }

    fn read(&self, names: &[&str], options: &Options) -> Result<Ingested> {
        let files: Vec<File> = names.iter().map(|name| self.file(name)).collect();
        read(&files, options, self.path(), &mut |_| Ok(()))
    }
}

fn read_text(text: impl AsRef<[u8]>, options: &Options) -> Result<Ingested> {
    Folder::with(&[("f.csv", text.as_ref())]).read(&["f.csv"], options)
}

fn good(text: impl AsRef<[u8]>, options: &Options) -> Ingested {
    read_text(text, options).unwrap()
}

fn problem(result: Result<Ingested>) -> Failure {
    result.map(|_| ()).unwrap_err().downcast::<Failure>().unwrap()
}

fn table(ingested: &Ingested) -> &Table {
    match &ingested.rows {
        Rows::Memory(table) => table,
        Rows::File(_) => panic!("small files stay in memory"),
    }
}

/// A table as lines of `a|b`, the header with types first.
fn lines(table: &Table) -> Vec<String> {
    let batch = table.to_batch().unwrap();
    let kind = |ty: &DataType| match ty {
        DataType::Int64 => "int",
        DataType::Float64 => "float",
        DataType::Utf8 => "text",
        DataType::Boolean => "bool",
        DataType::Timestamp(..) => "time",
        DataType::Dictionary(..) => "dict",
        _ => "other",
    };
    let header: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{}:{}", field.name(), kind(field.data_type())))
        .collect();
    let mut lines = vec![header.join("|")];
    for row in 0..batch.num_rows() {
        let cells: Vec<_> =
            batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect();
        lines.push(cells.join("|"));
    }
    lines
}

fn mapped(pairs: &[(&str, &str)]) -> Options {
    let columns: BTreeMap<_, _> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Options { columns, ..Options::default() }
}
