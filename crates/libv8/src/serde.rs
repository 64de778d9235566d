//! Values of Rust in place of JSON text (feature `serde`).

use ::serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Isolate};

impl Isolate {
    /// [`eval_json`](Isolate::eval_json), read into a `T`.
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// let (name, value): (String, u32) = isolate.eval_as("['answer', 6 * 7]")?;
    /// assert_eq!((name.as_str(), value), ("answer", 42));
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`eval_json`](Isolate::eval_json); [`Error::Invalid`] also if the value is no `T`.
    pub fn eval_as<T: DeserializeOwned>(&mut self, source: &str) -> Result<T, Error> {
        read(&self.eval_json(source)?)
    }

    /// [`call`](Isolate::call) with `arguments`, something that serializes to an array (a tuple, a slice), its
    /// value read into a `T`.
    ///
    /// ```
    /// # let mut isolate = libv8::Isolate::new()?;
    /// isolate.eval("function repeat(text, times) { return text.repeat(times) }")?;
    /// let text: String = isolate.call_as("repeat", &("ab", 3))?;
    /// assert_eq!(text, "ababab");
    /// # Ok::<(), libv8::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call`](Isolate::call); [`Error::Invalid`] also if `arguments` cannot be serialized, or the value is no
    /// `T`.
    pub fn call_as<A: Serialize + ?Sized, T: DeserializeOwned>(
        &mut self,
        function: &str,
        arguments: &A,
    ) -> Result<T, Error> {
        let arguments = serde_json::to_string(arguments).map_err(|error| {
            Error::Invalid(format!("the arguments of `{function}` have no JSON: {error}"))
        })?;
        read(&self.call(function, &arguments)?)
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::Invalid(format!("the value is no {}: {error}", std::any::type_name::<T>())))
}
