//! The JSON Schema of the language, for completion and checks in editors.
//!
//! It is derived from the spec types, so it cannot fall behind them; what the types do not know
//! (`extends`, and that `none` switches any value off) is added here.
//!
//! **Invariant.** Every file the reader accepts conforms to the schema.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::spec::ScenarioSpec;
use crate::units::KNOWN;

/// The title of the schema.
pub const TITLE: &str = "Windtunnel scenario";

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ScenarioSpec>().to_value();
    schema["title"] = json!(TITLE);
    if let Some(properties) = schema["properties"].as_object_mut() {
        let description = "Starts from another file inside the folder of this one: maps merge, \
                           lists and values are replaced, another kind replaces the node.";
        properties
            .insert("extends".to_owned(), json!({"type": "string", "description": description}));
    }
    // A file that extends another may leave out what that one says; one that holds requirements alone has no design.
    if let Some(root) = schema.as_object_mut()
        && let Some(required) = root.remove("required")
    {
        let design = |word: &str| json!({"required": [word]});
        let alone = json!({
            "required": ["windtunnel", "requirements"],
            "not": {"anyOf": [design("clients"), design("nodes")]},
        });
        root.insert(
            "anyOf".to_owned(),
            json!([{"required": ["extends"]}, alone, {"required": required}]),
        );
    }
    optional(&mut schema);
    schema
}

/// The same, as editors make most of it: they offer all that the parser knows.
pub fn for_editors() -> Value {
    let mut schema = schema();
    one_object(&mut schema);
    offer(&mut schema);
    schema
}

/// What is known stands among the examples, which editors offer.
fn offer(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(known)) = object.remove(KNOWN) {
                let examples = object.entry("examples").or_insert_with(|| json!([]));
                for one in known {
                    if let Some(list) = examples.as_array_mut().filter(|list| !list.contains(&one))
                    {
                        list.push(one);
                    }
                }
            }
            object.values_mut().for_each(offer);
        }
        Value::Array(items) => items.iter_mut().for_each(offer),
        _ => {}
    }
}

/// Kinds are properties of one object, of which one is given: editors then offer all of them, and name the wrong one.
fn one_object(schema: &mut Value) {
    let Some(node) = schema["$defs"]["NodeSpec"].as_object_mut() else { return };
    let Some(Value::Array(kinds)) = node.remove("oneOf") else { return };
    let mut properties = Map::new();
    for kind in kinds {
        let described = kind.get("description").cloned();
        for (name, form) in kind["properties"].as_object().into_iter().flatten() {
            let mut form = form.clone();
            if let (Some(form), Some(described)) = (form.as_object_mut(), &described) {
                form.entry("description").or_insert_with(|| described.clone());
            }
            properties.insert(name.clone(), form);
        }
    }
    node.insert("type".to_owned(), json!("object"));
    node.insert("properties".to_owned(), Value::Object(properties));
    node.insert("minProperties".to_owned(), json!(1));
    node.insert("additionalProperties".to_owned(), json!(false));
}

/// The keys of a scenario.
pub(super) fn keys() -> Vec<String> {
    let schema = schema();
    schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

/// Lets `none` stand for every value of a map: it deletes or switches off.
fn optional(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for property in properties.values_mut() {
                    allow_none(property);
                }
            }
            object.values_mut().for_each(optional);
        }
        Value::Array(items) => items.iter_mut().for_each(optional),
        _ => {}
    }
}

fn allow_none(property: &mut Value) {
    let Some(object) = property.as_object() else { return };
    let takes_text = match object.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    };
    if takes_text && !object.contains_key("pattern") && !object.contains_key("enum") {
        return;
    }
    let mut outer = Map::new();
    let mut inner = object.clone();
    for key in ["description", "default"] {
        if let Some(value) = inner.remove(key) {
            outer.insert(key.to_owned(), value);
        }
    }
    // `null` comes from optional fields; YAML's null is refused, so editors should not offer it.
    if let Some(Value::Array(kinds)) = inner.get_mut("type") {
        kinds.retain(|kind| kind != "null");
    }
    let kinds = match inner.remove("anyOf") {
        Some(Value::Array(kinds)) => {
            kinds.into_iter().filter(|kind| kind["type"] != "null").collect()
        }
        _ => vec![Value::Object(inner)],
    };
    let mut any = kinds;
    any.push(json!({"const": "none"}));
    outer.insert("anyOf".to_owned(), Value::Array(any));
    *property = Value::Object(outer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_kinds_keys_and_their_meaning() {
        let schema = schema();
        let node = &schema["$defs"]["ServiceSpec"]["properties"]["cores"];
        assert!(node["description"].as_str().unwrap().contains("work"), "{node}");
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema["properties"]["extends"].is_object());
        let kinds = schema["$defs"]["NodeSpec"]["oneOf"].as_array().unwrap();
        assert_eq!(kinds.len(), 9);
        let schema = for_editors();
        let kinds = schema["$defs"]["NodeSpec"]["properties"].as_object().unwrap();
        assert_eq!(kinds.len(), 9);
    }
}
