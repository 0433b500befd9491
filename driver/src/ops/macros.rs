//! The two forms that every operation repeats: how it ends in either face, and its options with a builder method for each.

/// Ends an operation: `.await` in the async face, `.run()` in the blocking one.
///
/// The operation has an `async fn execute(self) -> Result<Output>`. An output that is a handle is named with its face, as in
/// `Cursor<T, F>`. Behind it stands what the operation is called in its errors, and the field that leads to what it is done on.
macro_rules! ends {
    (impl [$($generic:tt)*] $Operation:ident<$life:lifetime $(, $arg:ident)*> -> $Handle:ident<$Item:ident, F>, $name:literal on $($field:ident).+) => {
        ends! { @async [$($generic)*] $Operation $life [$($arg)*] $Handle<$Item, crate::face::Async>, $name on $($field).+ }
        ends! { @blocking [$($generic)*] $Operation $life [$($arg)*] $Handle<$Item, crate::face::Blocking>, $name on $($field).+ }
    };
    (impl [$($generic:tt)*] $Operation:ident<$life:lifetime $(, $arg:ident)*> -> $Output:ty, $name:literal on $($field:ident).+) => {
        ends! { @async [$($generic)*] $Operation $life [$($arg)*] $Output, $name on $($field).+ }
        ends! { @blocking [$($generic)*] $Operation $life [$($arg)*] $Output, $name on $($field).+ }
    };
    (@async [$($generic:tt)*] $Operation:ident $life:lifetime [$($arg:ident)*] $Output:ty, $name:literal on $($field:ident).+) => {
        impl<$life, $($generic)*> std::future::IntoFuture for $Operation<$life $(, $arg)*, crate::face::Async> {
            type Output = crate::error::Result<$Output>;
            type IntoFuture = crate::ops::Boxed<$life, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                let subject = self.$($field).+.subject($name);
                crate::ops::subject::told(|| self.execute(), subject)
            }
        }
    };
    (@blocking [$($generic:tt)*] $Operation:ident $life:lifetime [$($arg:ident)*] $Output:ty, $name:literal on $($field:ident).+) => {
        impl<$life, $($generic)*> $Operation<$life $(, $arg)*, crate::face::Blocking> {
            /// Runs the operation on the calling thread.
            ///
            /// # Errors
            /// As the async face's `.await`.
            pub fn run(self) -> crate::error::Result<$Output> {
                let subject = self.$($field).+.subject($name);
                crate::rt::block_on(self.execute()).map_err(|error| error.during(&subject))
            }
        }
    };
}
pub(crate) use ends;

/// Declares the options of an operation, a builder of them alone, and for each of them a method of the operation's own builder.
///
/// The builder has a field `options: Option<Box<Options>>`, so that an operation without options carries one pointer.
/// `field: Type as impl Into<Type>` makes the method take whatever converts; `field: Type as impl Other => convert` says by what.
macro_rules! options {
    (
        $(#[$about:meta])*
        $Options:ident and $Builder:ident of [$($generic:tt)*] $Operation:ty {
            $( $(#[$doc:meta])* $field:ident: $Type:ty $(as $Arg:ty $(=> $convert:expr)?)?, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $Options {
            $( $(#[$doc])* pub $field: Option<$Type>, )*
        }

        crate::options::builder::builder! {
            #[doc = concat!("Builds [`", stringify!($Options), "`].")]
            $Builder builds $Options {
                $( $field: Option<$Type>, )*
            }
        }

        impl<$($generic)*> $Operation {
            $(
                $(#[$doc])*
                pub fn $field(mut self, value: options!(@arg $Type $(, $Arg)?)) -> Self {
                    self.options.get_or_insert_default().$field = Some(options!(@set value $($(, $convert)?)?));
                    self
                }
            )*

            /// Replaces all options at once.
            pub fn with_options(mut self, options: impl Into<Option<$Options>>) -> Self {
                self.options = options.into().map(Box::new);
                self
            }
        }
    };
    (@set $value:ident) => { $value.into() };
    (@set $value:ident, $convert:expr) => { $convert($value) };
    (@arg $Type:ty) => { $Type };
    (@arg $Type:ty, $Arg:ty) => { $Arg };
}
pub(crate) use options;
