//! The macro for option builders: one setter per field, which takes anything that converts into the
//! field's type.
//!
//! A field of type `Option<T>` takes a `T`, an `Option<T>` or `None`. An unset field keeps its
//! default.

/// Generates `$builder`, with a setter per field of `$options`, and `$options::builder()`.
/// `$options` must implement `Default`.
macro_rules! builder {
    (
        $(#[$doc:meta])*
        $builder:ident builds $options:ident {
            $( $(#[$field_doc:meta])* $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        #[must_use = "a builder does nothing until build() is called"]
        pub struct $builder {
            options: $options,
        }

        impl $builder {
            $(
                #[doc = concat!(
                    "Sets [`", stringify!($field), "`](field@",
                    stringify!($options), "::", stringify!($field), ").",
                )]
                $(#[$field_doc])*
                pub fn $field(mut self, value: impl Into<$type>) -> Self {
                    self.options.$field = value.into();
                    self
                }
            )*

            /// Builds the options. Unset fields have their defaults.
            #[must_use]
            pub fn build(self) -> $options {
                self.options
            }
        }

        impl $options {
            /// Creates a builder with every field at its default.
            pub fn builder() -> $builder {
                $builder::default()
            }
        }
    };
}
pub(crate) use builder;
