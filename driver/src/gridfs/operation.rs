//! Implements the operations of a bucket on both APIs, and declares the options of those that open
//! streams. The operations take no session.

/// Does for bucket operations what [`operation!`] does for others. The operation has the fields
/// `bucket` and `options`. The syntax is `[generics] Operation<'a, Args; F> -> Output`; an output
/// with the marker of the API is `stream Output`.
///
/// [`operation!`]: crate::ops::macros::operation
macro_rules! bucket_operation {
    ([$($generic:tt)*] $Operation:ident<$life:lifetime; F> -> stream $Output:ident) => {
        bucket_operation! { @parts [$($generic)*] $Operation<$life; F> }
        operation! {
            @perform [$($generic)* F: crate::mode::Mode] $Operation<$life, F>, $life, $Output<F>
        }
        operation! {
            @await [$($generic)*] $Operation<$life, crate::mode::Async>, $life,
            $Output<crate::mode::Async>
        }
        operation! {
            @run [$($generic)*] $Operation<$life, crate::mode::Blocking>, $life,
            $Output<crate::mode::Blocking>
        }
    };
    ([$($generic:tt)*] $Operation:ident<$life:lifetime; F> -> cursor $Item:ty) => {
        bucket_operation! { @parts [$($generic)*] $Operation<$life; F> }
        operation! {
            @perform [$($generic)* F: crate::mode::Mode] $Operation<$life, F>, $life,
            crate::cursor::Cursor<$Item, F>
        }
        operation! {
            @await [$($generic)*] $Operation<$life, crate::mode::Async>, $life,
            crate::cursor::Cursor<$Item, crate::mode::Async>
        }
        operation! {
            @run [$($generic)*] $Operation<$life, crate::mode::Blocking>, $life,
            crate::cursor::Cursor<$Item, crate::mode::Blocking>
        }
    };
    ([$($generic:tt)*] $Operation:ident<$life:lifetime; F> -> $Output:ty) => {
        bucket_operation! { @parts [$($generic)*] $Operation<$life; F> }
        operation! {
            @perform [$($generic)* F: crate::mode::Mode] $Operation<$life, F>, $life, $Output
        }
        operation! {
            @await [$($generic)*] $Operation<$life, crate::mode::Async>, $life, $Output
        }
        operation! {
            @run [$($generic)*] $Operation<$life, crate::mode::Blocking>, $life, $Output
        }
    };
    (@parts [$($generic:tt)*] $Operation:ident<$life:lifetime; F>) => {
        impl<$life, $($generic)* F: crate::mode::Mode> crate::ops::command::Parts<$life>
            for $Operation<$life, F>
        {
            fn on(&self) -> crate::ops::command::On<$life> {
                self.bucket.on()
            }

            fn options(&self) -> Option<&dyn crate::ops::command::Options> {
                self.options
                    .as_deref()
                    .map(|options| options as &dyn crate::ops::command::Options)
            }

            fn take_session(&mut self) -> Option<&$life mut crate::exec::SessionState> {
                None
            }
        }
    };
}
pub(super) use bucket_operation;

/// Declares the options of operations that open a stream, as [`options!`] does for other
/// operations. The second operation opens a stream and does all its work. It has the same options,
/// and the first operation in its field `open`.
///
/// [`options!`]: crate::ops::macros::options
macro_rules! stream_options {
    (
        $(#[$about:meta])*
        $Options:ident, $Builder:ident
        for [$($generic:tt)*] $Open:ty, [$($whole_generic:tt)*] $Whole:ty {
            $( $(#[$doc:meta])* $field:ident: $Type:ty, )*
        }
    ) => {
        options! {
            $(#[$about])*
            $Options, $Builder for [$($generic)*] $Open {
                $( $(#[$doc])* $field: $Type, )*
            }
        }

        impl<$($whole_generic)*> $Whole {
            $(
                $(#[$doc])*
                pub fn $field(mut self, value: $Type) -> Self {
                    self.open = self.open.$field(value);
                    self
                }
            )*

            /// The time limit of the whole operation (`timeoutMS`). Replaces that of the bucket,
            /// the database or the client. Zero means no limit.
            pub fn timeout(mut self, value: std::time::Duration) -> Self {
                self.open = self.open.timeout(value);
                self
            }

            /// Replaces all options.
            pub fn with_options(mut self, options: impl Into<Option<$Options>>) -> Self {
                self.open = self.open.with_options(options);
                self
            }
        }
    };
}
pub(super) use stream_options;
