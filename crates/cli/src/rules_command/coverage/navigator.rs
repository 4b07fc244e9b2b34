//! Coverage as a layer of the ATT&CK Navigator (layer format 4.5).
//!
//! A technique's score is how many rules name it. Those of the matrix for containers that no rule names are in the layer with score 0
//! and the reason, so that a gap can be told from what nobody looked at.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::rules_command::coverage::{Coverage, Row, Standing};

pub(super) fn write(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &layer(coverage))?;
    writeln!(out)
}

fn layer(coverage: &Coverage) -> Value {
    let most = coverage.attack.iter().map(|row| row.rules.len()).max();
    json!({
        "name": "kubevigil",
        "versions": {
            "attack": coverage.version.number().to_string(),
            "navigator": "5.1.0",
            "layer": "4.5",
        },
        "domain": "enterprise-attack",
        "description": format!("What {} detection rules look for in Kubernetes audit events", coverage.rules),
        "sorting": 3,
        "layout": { "layout": "side", "showID": true, "showName": true },
        "hideDisabled": false,
        "techniques": coverage.attack.iter().map(technique).collect::<Vec<_>>(),
        "gradient": { "colors": ["#ffffff", "#8ec843"], "minValue": 0, "maxValue": most.unwrap_or_default().max(1) },
        "legendItems": [],
        "selectTechniquesAcrossTactics": true,
        "selectSubtechniquesWithParent": false,
    })
}

fn technique(row: &Row) -> Value {
    let titles: Vec<&str> = row.rules.iter().map(|rule| rule.name.as_ref()).collect();
    let comment = match row.standing() {
        Standing::Covered => titles.join("\n"),
        Standing::Partly => format!("{}\n{}", titles.join("\n"), row.unseen.unwrap_or_default()),
        Standing::Below => "only sub-techniques".to_owned(),
        Standing::Unseen => format!("not in an audit log: {}", row.unseen.unwrap_or_default()),
        Standing::Gap => "no rule".to_owned(),
    };
    json!({
        "techniqueID": row.id,
        "score": titles.len(),
        "comment": comment,
        "enabled": true,
        "showSubtechniques": row.below > 0,
    })
}
