//! Nodes as the event loop knows them: those that most events are for by their type.
//!
//! **Invariant.** What a node does is the same through its type and through [`Node`].

use std::{
    any::Any,
    ops::{Deref, DerefMut},
};

use super::{client::run::Client, node::Node, service::server::Server};

/// A node as the event loop knows it: the handlers of those that most events are for become part of the
/// loop, which saves the calls.
pub(super) enum AnyNode {
    /// A server.
    Server(Box<Server>),
    /// A client.
    Client(Box<Client>),
    /// Any other.
    Other(Box<dyn Node>),
}

impl std::fmt::Debug for AnyNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "server",
            Self::Client(_) => "client",
            Self::Other(_) => "other",
        })
    }
}

impl AnyNode {
    /// A node of any kind.
    pub(super) fn new(node: Box<dyn Node>) -> Self {
        let kind: &dyn Any = &*node;
        if !kind.is::<Server>() {
            return Self::Other(node);
        }
        let node: Box<dyn Any> = node;
        Self::Server(node.downcast().expect("it is one"))
    }
}

impl Deref for AnyNode {
    type Target = dyn Node;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Server(node) => &**node,
            Self::Client(node) => &**node,
            Self::Other(node) => &**node,
        }
    }
}

impl DerefMut for AnyNode {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Server(node) => &mut **node,
            Self::Client(node) => &mut **node,
            Self::Other(node) => &mut **node,
        }
    }
}
