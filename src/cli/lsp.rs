//! `windtunnel lsp`: problems as one types, by the Language Server Protocol over standard input and output.
//!
//! The client sends whole texts. Of several that wait the last one is looked at.
//!
//! **Invariant.** What is told of a text is what `validate` tells of it.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use lsp_server::{Connection, ErrorCode, Message, Notification, Response};
use lsp_types::{
    Diagnostic, DiagnosticSeverity, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, NumberOrString, Position, PublishDiagnosticsParams, Range,
    ServerCapabilities, TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
    notification::{
        DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _,
        PublishDiagnostics,
    },
};
use serde_json::Value;

use super::files::DiskFiles;
use crate::{
    cli::say::{Exit, refuse},
    scenario::{
        load::{Files, Overrides},
        problems::Found,
        render::{self, Source},
    },
    study,
};

/// Tell an editor of problems as one types: a language server on standard input and output
///
/// Speaks the Language Server Protocol: every problem that `validate` finds, and which single points of failure an
/// objective hangs on, as hints. Editors start it by themselves (docs/EDITOR.md).
#[derive(Debug, Args)]
#[command(after_help = "Example, for Neovim:\n  \
    vim.lsp.config.windtunnel = {cmd = {'windtunnel', 'lsp'}, filetypes = {'yaml'}}\n  \
    vim.lsp.enable('windtunnel')")]
pub(super) struct LspArguments {
    /// Taken as given: it speaks over standard input and output anyway
    #[arg(long, hide = true)]
    stdio: bool,
}

pub(super) fn lsp(_: &LspArguments) -> Exit {
    let (connection, threads) = Connection::stdio();
    let served = serve(&connection);
    drop(connection);
    match served.and_then(|()| threads.join().map_err(|error| error.to_string())) {
        Ok(()) => Exit::Done,
        Err(why) => refuse(&format!("the language server ends: {why}")),
    }
}

fn serve(connection: &Connection) -> Result<(), String> {
    let capabilities = ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        ..ServerCapabilities::default()
    };
    let capabilities = serde_json::to_value(capabilities).expect("capabilities are JSON");
    connection.initialize(capabilities).map_err(|error| error.to_string())?;
    while let Ok(message) = connection.receiver.recv() {
        let mut changed = BTreeMap::new();
        for message in [message].into_iter().chain(connection.receiver.try_iter()) {
            match message {
                Message::Request(request) => {
                    if connection.handle_shutdown(&request).map_err(|error| error.to_string())? {
                        return Ok(());
                    }
                    let code = ErrorCode::MethodNotFound as i32;
                    let answer = Response::new_err(request.id, code, "no such method".to_owned());
                    send(connection, answer.into())?;
                }
                Message::Notification(told) => heard(told, &mut changed),
                Message::Response(_) => {}
            }
        }
        for (uri, document) in changed {
            let diagnostics = document.as_ref().map_or_else(Vec::new, Document::problems);
            let version = document.map(|document| document.version);
            let uri = uri.parse::<Uri>().map_err(|error| error.to_string())?;
            let params = PublishDiagnosticsParams { uri, diagnostics, version };
            let params = serde_json::to_value(params).expect("problems are JSON");
            let method = PublishDiagnostics::METHOD.to_owned();
            send(connection, Notification { method, params }.into())?;
        }
    }
    Ok(())
}

fn send(connection: &Connection, message: Message) -> Result<(), String> {
    connection.sender.send(message).map_err(|error| error.to_string())
}

/// A text in an editor; what cannot be read is passed over, as the protocol wants it.
#[derive(Clone, Debug)]
struct Document {
    /// Where it stands; its address where that is no file.
    path: String,
    text: String,
    version: i32,
}

/// Takes in what the editor tells: which texts are others now, by address; those that were closed are nothing.
fn heard(told: Notification, changed: &mut BTreeMap<String, Option<Document>>) {
    let (uri, document) = match told.method.as_str() {
        DidOpenTextDocument::METHOD => {
            let Some(DidOpenTextDocumentParams { text_document }) = read(told.params) else {
                return;
            };
            let (text, version) = (text_document.text, text_document.version);
            let uri = text_document.uri;
            (uri.to_string(), Some(Document { path: path(&uri), text, version }))
        }
        DidChangeTextDocument::METHOD => {
            let Some(DidChangeTextDocumentParams { text_document, content_changes }) =
                read(told.params)
            else {
                return;
            };
            let Some(last) = content_changes.into_iter().next_back() else { return };
            let uri = text_document.uri;
            let version = text_document.version;
            (uri.to_string(), Some(Document { path: path(&uri), text: last.text, version }))
        }
        DidCloseTextDocument::METHOD => {
            let Some(DidCloseTextDocumentParams { text_document }) = read(told.params) else {
                return;
            };
            (text_document.uri.to_string(), None)
        }
        _ => return,
    };
    changed.insert(uri, document);
}

fn read<T: serde::de::DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

/// The path of a file's address.
fn path(uri: &Uri) -> String {
    if uri.scheme().is_none_or(|scheme| scheme.as_str() != "file") {
        return uri.to_string();
    }
    let path = uri.path().as_estr().decode().into_string_lossy().into_owned();
    // `/c:/shop.yaml` on Windows.
    let drive = path.get(2..3) == Some(":");
    PathBuf::from(if drive { &path[1..] } else { &path }).to_string_lossy().into_owned()
}

/// The text that is typed in place of the file's, and all other files as they are.
struct Typed<'d>(&'d Document);

impl Files for Typed<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == self.0.path {
            return Ok(self.0.text.clone().into_bytes());
        }
        DiskFiles.read(path)
    }

    fn size(&self, path: &str) -> Option<u64> {
        DiskFiles.size(path)
    }

    fn advice(&self, folder: &str) -> String {
        DiskFiles.advice(folder)
    }
}

impl Document {
    /// Whether it says that it is a scenario: editors send all files of a sort.
    fn is_scenario(&self) -> bool {
        self.text.lines().any(|line| {
            ["windtunnel:", "extends:"].iter().any(|word| line.trim_start().starts_with(word))
        })
    }

    fn problems(&self) -> Vec<Diagnostic> {
        if !self.is_scenario() {
            return Vec::new();
        }
        let examined = study::examine(&self.path, &Typed(self), &Overrides::default(), &[]);
        let told = |found: &Found| diagnostic(&examined.sources, found, None);
        let hint = Some(DiagnosticSeverity::HINT);
        let hints = examined.single_points.iter();
        let hints = hints.map(|found| diagnostic(&examined.sources, found, hint));
        examined.found.iter().map(told).chain(hints).collect()
    }
}

/// A problem at its place, or at the beginning if that is in another file.
fn diagnostic(
    sources: &[Source],
    found: &Found,
    severity: Option<DiagnosticSeverity>,
) -> Diagnostic {
    let problem = &found.problem;
    let usual =
        if found.is_error() { DiagnosticSeverity::ERROR } else { DiagnosticSeverity::WARNING };
    let help = problem.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
    let mut message = format!("{}{help}", problem.message);
    let mut range = Range::default();
    if let Some((source, start, end)) = render::region(sources, found.span) {
        if sources.first().is_some_and(|first| first.name == source.name) {
            range = Range::new(place(source, start), place(source, end));
        } else {
            message = format!("{}:{}:{}: {message}", source.name, start.line, start.column);
        }
    }
    Diagnostic {
        range,
        severity: Some(severity.unwrap_or(usual)),
        code: Some(NumberOrString::String(problem.code.to_owned())),
        source: Some("windtunnel".to_owned()),
        message,
        ..Diagnostic::default()
    }
}

/// A place as the protocol counts: from 0, and in words of UTF-16.
fn place(source: &Source, at: render::Position) -> Position {
    let line = source.text.lines().nth(at.line - 1).unwrap_or_default();
    let before: usize = line.chars().take(at.column - 1).map(char::len_utf16).sum();
    Position::new(at.line as u32 - 1, before as u32)
}
