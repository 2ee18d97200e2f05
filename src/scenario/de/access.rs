//! Lists, maps and enums, item by item.

use super::{Context, Reader};
use crate::scenario::{
    fault::Fault,
    problems::shown,
    tree::{Entry, Node},
};
use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// The items of a list that are not poisoned.
pub(super) struct Items<'t> {
    pub(super) items: std::slice::Iter<'t, Node>,
    pub(super) context: &'t Context<'t>,
    pub(super) keep: bool,
}

impl<'t> SeqAccess<'t> for Items<'t> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'t>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        match self.items.find(|item| !item.poisoned.get()) {
            None => Ok(None),
            Some(node) => {
                let (context, keep) = (self.context, self.keep);
                Reader { node, context, keep }.feed(seed).map(Some)
            }
        }
    }
}

/// The entries of a map that are not poisoned and not switched off by `none`.
pub(super) struct Entries<'t> {
    pub(super) entries: std::slice::Iter<'t, Entry>,
    pub(super) value: Option<(&'t str, &'t Node)>,
    pub(super) context: &'t Context<'t>,
    pub(super) keep: bool,
    pub(super) root: bool,
}

impl<'t> MapAccess<'t> for Entries<'t> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'t>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let keep = self.keep;
        let counts = |e: &&Entry| !e.value.poisoned.get() && (keep || !e.deletes());
        let Some(entry) = self.entries.find(counts) else { return Ok(None) };
        self.value = Some((&entry.key, &entry.value));
        match seed.deserialize(entry.key.as_str().into_deserializer()) {
            Ok(key) => Ok(Some(key)),
            Err(fault) => {
                self.context.report(&entry.value, entry.key_span, true, fault);
                Err(Fault::done())
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, node) = self.value.take().expect("serde asks for a key first");
        let keep = self.keep || (self.root && key == "variants");
        Reader { node, context: self.context, keep }.feed(seed)
    }
}

/// A variant of an enum: its name, and its content if it has any.
pub(super) struct Variant<'t> {
    pub(super) tag: &'t str,
    pub(super) value: Option<&'t Node>,
    pub(super) context: &'t Context<'t>,
}

impl<'t> EnumAccess<'t> for Variant<'t> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'t>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(self.tag.into_deserializer())?, self))
    }
}

impl<'t> Variant<'t> {
    fn content(&self) -> Result<Reader<'t>, Fault> {
        match self.value {
            Some(node) => Ok(Reader { node, context: self.context, keep: false }),
            None => Err(Fault::new("E-TYPE", format!("`{}` needs a value", shown(self.tag)))
                .help(Some(format!("write `{}: …`", shown(self.tag))))),
        }
    }
}

impl<'t> VariantAccess<'t> for Variant<'t> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Fault::new("E-TYPE", format!("`{}` takes no value", shown(self.tag)))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'t>>(self, seed: T) -> Result<T::Value, Fault> {
        self.content()?.feed(seed)
    }

    fn tuple_variant<V: Visitor<'t>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_tuple(self.content()?, len, visitor)
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_struct(self.content()?, "", fields, visitor)
    }
}
