//! The answer of a server as a sheet.

use serde_json::{Number, Value};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::sheet::{Alignment, Cell, Column, Sheet};

/// Runs the statements; the rows are those of the last one that has any.
pub(super) async fn read(client: &Client, sql: &str) -> Result<Option<Sheet>, Error> {
    // Only a prepared statement tells types, and only a single statement can be prepared. What is
    // wrong with it is told when it runs.
    let prepared = client.prepare(sql).await.ok();
    let types: Vec<Type> = prepared
        .iter()
        .flat_map(|statement| statement.columns())
        .map(|column| column.type_().clone())
        .collect();
    let mut sheet = None;
    for message in client.simple_query(sql).await? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let columns = columns.iter().map(|column| Column {
                    name: column.name().to_owned().into(),
                    title: Some(column.name().to_owned().into()),
                    alignment: Alignment::Left,
                });
                sheet = Some(Sheet {
                    columns: columns.collect(),
                    rows: Vec::new(),
                });
            }
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|index| cell(row.get(index), types.get(index)));
                if let Some(sheet) = &mut sheet {
                    sheet.rows.push(cells.collect());
                }
            }
            SimpleQueryMessage::CommandComplete(_) | _ => {}
        }
    }
    Ok(sheet)
}

fn cell(text: Option<&str>, kind: Option<&Type>) -> Cell {
    let Some(text) = text else {
        return Cell::Scalar(Value::Null);
    };
    let value = match kind {
        Some(&Type::BOOL) => Some(Value::Bool(text == "t")),
        Some(&(Type::INT2 | Type::INT4 | Type::INT8 | Type::OID)) => {
            text.parse::<i64>().ok().map(Value::from)
        }
        Some(&(Type::FLOAT4 | Type::FLOAT8)) => {
            let number = text.parse::<f64>().ok().and_then(Number::from_f64);
            number.map(Value::Number)
        }
        Some(_) | None => None,
    };
    Cell::Scalar(value.unwrap_or_else(|| Value::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_words_that_scripts_know() {
        let shown = |text, kind: &Type| {
            let Cell::Scalar(value) = cell(text, Some(kind)) else {
                panic!("a scalar is expected")
            };
            value.to_string()
        };
        assert_eq!(shown(None, &Type::TEXT), "null");
        assert_eq!(shown(Some("t"), &Type::BOOL), "true");
        assert_eq!(shown(Some("f"), &Type::BOOL), "false");
        assert_eq!(shown(Some("-5"), &Type::INT8), "-5");
        assert_eq!(shown(Some("1"), &Type::FLOAT8), "1.0");
        assert_eq!(shown(Some("NaN"), &Type::FLOAT8), "\"NaN\"");
        assert_eq!(shown(Some("12.50"), &Type::NUMERIC), "\"12.50\"");
    }
}
