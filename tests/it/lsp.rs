//! What the language server tells an editor.

use std::{
    fs,
    io::BufReader,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use lsp_server::{Message, Notification, Request};
use serde_json::{Value, json};

use crate::cli::windtunnel;

/// An editor that has the server running.
struct Editor {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Editor {
    fn new(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
            .args(["lsp", "--stdio"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut editor = Self { child, to, from: BufReader::new(from) };
        let answer = editor.ask(1, "initialize", json!({"capabilities": {}}));
        assert_eq!(answer["capabilities"]["textDocumentSync"], 1, "{answer}");
        editor.tell("initialized", json!({}));
        editor
    }

    fn ask(&mut self, id: i32, method: &str, params: Value) -> Value {
        let request = Request { id: id.into(), method: method.to_owned(), params };
        Message::from(request).write(&mut self.to).unwrap();
        match self.hear() {
            Message::Response(response) => {
                response.response_result.unwrap_or_else(|e| json!(e.message))
            }
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self, method: &str, params: Value) {
        let told = Notification { method: method.to_owned(), params };
        Message::from(told).write(&mut self.to).unwrap();
    }

    fn hear(&mut self) -> Message {
        Message::read(&mut self.from).unwrap().expect("the server lives")
    }

    /// What is told of a document next: its version and its problems.
    fn problems(&mut self) -> (Value, Vec<Value>) {
        let Message::Notification(told) = self.hear() else { panic!("problems are told unasked") };
        assert_eq!(told.method, "textDocument/publishDiagnostics");
        (told.params["version"].clone(), told.params["diagnostics"].as_array().unwrap().clone())
    }

    fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
        self.problems().1
    }

    fn change(&mut self, uri: &str, version: i32, text: &str) {
        let document = json!({"uri": uri, "version": version});
        let changes = json!([{"text": text}]);
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": changes}),
        );
    }
}

const GOOD: &str = "windtunnel: 1
name: typed
duration: 60s
clients: {web: {arrivals: poisson(10/s), to: api}}
nodes: {api: {service: {cores: 1, work: 5ms}}}
";

#[test]
fn problems_are_told_as_one_types_and_are_those_of_validate() {
    let w = tempfile::tempdir().unwrap();
    let file = w.path().join("a b.yaml");
    fs::write(&file, GOOD).unwrap();
    let uri = format!("file://{}/a%20b.yaml", w.path().display());
    let mut editor = Editor::new(w.path());
    assert!(editor.open(&uri, GOOD).is_empty());
    // What is typed counts, not what is on the disk.
    let bad = GOOD.replace("to: api", "to: ape").replace("work: 5ms", "work: 5");
    editor.change(&uri, 2, &bad);
    let (version, told) = editor.problems();
    assert_eq!(version, 2);
    let found: Vec<_> = told.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(found, ["E-UNIT", "E-REF"]);
    assert_eq!(told[1]["severity"], 1);
    assert_eq!(told[1]["source"], "windtunnel");
    assert!(told[1]["message"].as_str().unwrap().contains("did you mean `api`?"), "{told:?}");
    let place = json!({"start": {"line": 3, "character": 45}, "end": {"line": 3, "character": 48}});
    assert_eq!(told[1]["range"], place);
    // The same as the command tells, at the same places.
    fs::write(w.path().join("bad.yaml"), &bad).unwrap();
    let ran = windtunnel(w.path(), "validate bad.yaml --format json");
    let list: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(list.len(), told.len());
    for (of_command, of_server) in list.iter().zip(&told) {
        assert_eq!(of_command["code"], of_server["code"]);
        let line = of_server["range"]["start"]["line"].as_u64().unwrap() + 1;
        assert_eq!(of_command["line"], line);
    }
    editor.change(&uri, 3, GOOD);
    assert!(editor.problems().1.is_empty());
    editor.tell("textDocument/didClose", json!({"textDocument": {"uri": uri}}));
    assert!(editor.problems().1.is_empty());
    assert_eq!(fs::read_to_string(&file).unwrap(), GOOD);
    assert_eq!(editor.ask(2, "shutdown", Value::Null), Value::Null);
    editor.tell("exit", Value::Null);
    assert!(editor.child.wait().unwrap().success());
}

#[test]
fn places_count_as_editors_do_and_other_files_are_named() {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("base.yaml"), GOOD.replace("to: api", "to: ape")).unwrap();
    let uri = format!("file://{}/x.yaml", w.path().display());
    let mut editor = Editor::new(w.path());
    // A letter beyond 16 bits is two words to an editor.
    let text = GOOD
        .replace("name: typed", "name: typed\ndescription: \"\u{1d11e}\" # \u{1d11e}\nlevel: 3");
    let told = editor.open(&uri, &text);
    assert_eq!(told[0]["range"]["start"], json!({"line": 3, "character": 0}), "{told:?}");
    editor.change(&uri, 2, &GOOD.replace("{web: {arr", "{\"\u{1d11e}\": {arr"));
    let (_, told) = editor.problems();
    assert_eq!(told[0]["range"]["end"]["character"], 14, "{told:?}");
    editor.change(&uri, 3, "extends: base.yaml\n");
    let (_, told) = editor.problems();
    assert_eq!(told.len(), 1, "{told:?}");
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.contains("base.yaml:4:46: "), "{message}");
    assert_eq!(told[0]["range"]["start"], json!({"line": 0, "character": 0}));
    // What is no scenario is none of its business; what it does not know it says.
    editor.change(&uri, 4, "apiVersion: v1\nkind: Service\n");
    assert!(editor.problems().1.is_empty());
    assert_eq!(editor.ask(9, "textDocument/hover", json!({})), json!("no such method"));
    // An objective that hangs on one machine is a hint.
    let slo = format!("{GOOD}slos: [availability >= 99%]\n");
    editor.change(&uri, 5, &slo);
    let (_, told) = editor.problems();
    let hints: Vec<_> = told.iter().filter(|one| one["severity"] == 4).collect();
    assert!(hints.iter().any(|one| one["code"] == "W-SPOF"), "{told:?}");
    drop(editor.to);
    assert!(editor.child.wait().unwrap().success(), "it ends with its editor");
}
