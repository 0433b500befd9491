//! The two macros that declare an operation: `options!` for its options, `operation!` for running
//! it on both APIs.

/// Declares the options of an operation: the struct, its builder, a method of the operation for
/// each option, and the encoding.
///
/// The operation has a field `options: Option<Box<Options>>`, so no options cost only one pointer.
/// Each line is `name: Type`, followed by:
///
/// - `as impl Into<Type>`: the method accepts any type that converts. `as impl Other => convert`
///   names the conversion.
/// - `= "wireName"`: a field of the command.
/// - `= (statement "wireName")`: a field of the command's statement, such as of one entry of
///   `updates`.
/// - `= (fn write)`: `write(&options, body)` writes it.
/// - Without `=`: not a field here. The operation reads the option itself, or `ops/command.rs` does
///   (`Settings`). There `selection_criteria`, `read_concern`, `write_concern` and `max_time` go to
///   the executor, `raw_data` becomes a field for servers that know it, and `max_await_time`,
///   `cursor_type`, `timeout_mode` and `timeout` determine the time limits. Every operation has
///   `timeout`.
macro_rules! options {
    (
        $(#[$about:meta])*
        $Options:ident $(($own:ident form))?, $Builder:ident for [$($generic:tt)*] $Operation:ty {
            $(
                $(#[$doc:meta])*
                $field:ident: $Type:ty $(as $Arg:ty $(=> $convert:path)?)? $(= $wire:tt)?,
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $Options {
            $( $(#[$doc])* pub $field: Option<$Type>, )*
            /// The time limit of the whole operation (`timeoutMS`). Replaces that of the
            /// collection, the database or the client. Zero means no limit.
            pub timeout: Option<std::time::Duration>,
        }

        options!(@form [$($own)?] $Options { $( $field, )* timeout });

        crate::builder::builder! {
            #[doc = concat!("Builds [`", stringify!($Options), "`].")]
            $Builder builds $Options {
                $( $field: Option<$Type>, )*
                timeout: Option<std::time::Duration>,
            }
        }

        impl crate::ops::command::Options for $Options {
            fn encode(&self, body: &mut crate::wire::DocWriter<'_>) -> crate::error::Result<()> {
                $( options!(@body self body $field $($wire)?); )*
                let _ = body;
                Ok(())
            }

            fn encode_statement(
                &self,
                entry: &mut crate::wire::DocWriter<'_>,
            ) -> crate::error::Result<()> {
                $( options!(@statement self entry $field $($wire)?); )*
                let _ = entry;
                Ok(())
            }

            fn settings(&self) -> crate::ops::command::Settings<'_> {
                let timeout = self.timeout;
                let mut settings = crate::ops::command::Settings { timeout, ..Default::default() };
                $( options!(@setting self settings $field); )*
                let _ = &mut settings;
                settings
            }
        }

        impl<$($generic)*> $Operation {
            $(
                $(#[$doc])*
                pub fn $field(mut self, value: options!(@arg $Type $(, $Arg)?)) -> Self {
                    let value = options!(@set value $($(, $convert)?)?);
                    self.options.get_or_insert_default().$field = Some(value);
                    self
                }
            )*

            /// The time limit of the whole operation (`timeoutMS`). Replaces that of the
            /// collection, the database or the client. Zero means no limit.
            pub fn timeout(mut self, value: std::time::Duration) -> Self {
                self.options.get_or_insert_default().timeout = Some(value);
                self
            }

            /// Replaces all options.
            pub fn with_options(mut self, options: impl Into<Option<$Options>>) -> Self {
                self.options = options.into().map(Box::new);
                self
            }
        }
    };

    (@form [] $Options:ident $fields:tt) => { crate::options::form::form! { $Options $fields } };
    (@form [own] $Options:ident $fields:tt) => {};

    (@body $options:ident $body:ident $field:ident $wire:literal) => {
        if let Some(value) = &$options.$field {
            crate::ops::fields::Field::write(value, bson::raw::cstr!($wire), $body)?;
        }
    };
    (@body $options:ident $body:ident $field:ident (fn $write:path)) => {
        $write($options, $body)?;
    };
    (@body $options:ident $body:ident $field:ident $((statement $wire:literal))?) => {};

    (@statement $options:ident $entry:ident $field:ident (statement $wire:literal)) => {
        options!(@body $options $entry $field $wire);
    };
    (@statement $options:ident $entry:ident $field:ident $($other:tt)?) => {};

    (@setting $options:ident $settings:ident selection_criteria) => {
        $settings.selection_criteria = $options.selection_criteria.as_ref();
    };
    (@setting $options:ident $settings:ident read_concern) => {
        $settings.read_concern = $options.read_concern.as_ref();
    };
    (@setting $options:ident $settings:ident write_concern) => {
        $settings.write_concern = $options.write_concern.as_ref();
    };
    (@setting $options:ident $settings:ident max_time) => {
        $settings.max_time = $options.max_time;
    };
    (@setting $options:ident $settings:ident max_await_time) => {
        $settings.max_await_time = $options.max_await_time;
    };
    (@setting $options:ident $settings:ident cursor_type) => {
        let default = crate::options::CursorType::NonTailable;
        $settings.cursor_type = Some($options.cursor_type.unwrap_or(default));
    };
    (@setting $options:ident $settings:ident timeout_mode) => {
        $settings.timeout_mode = $options.timeout_mode;
    };
    (@setting $options:ident $settings:ident raw_data) => {
        $settings.raw_data = $options.raw_data;
    };
    (@setting $options:ident $settings:ident $other:ident) => {};

    (@set $value:ident) => { $value.into() };
    (@set $value:ident, $convert:path) => { $convert($value) };
    (@arg $Type:ty) => { $Type };
    (@arg $Type:ty, $Arg:ty) => { $Arg };
}
pub(crate) use options;

/// Implements `.await` for the async API, `.run()` for the blocking one, and
/// [`Operation`](crate::ops::Operation) for both.
///
/// - `[generics] Operation<'a, Args; F> -> Output, on handle`: most operations. `F` is the API, and
///   `handle` is the field with the collection, the database or the client. The operation has the
///   fields `options` and `session`.
/// - `[generics] Operation<'a, Args; F, Session> -> Cursor<Item; F>`: opens a cursor. `Session` is
///   its kind of session. With `, Batches<F>` it can also return a cursor of whole batches.
/// - `[generics] Operation<'a, Args; F, Session> -> Output`: reads its cursor to the end.
/// - `@parts [generics] Operation, 'a, handle`: implements only `Parts`, the access to the handle,
///   the options and the session. The first form includes it. The others do not, so that one `impl`
///   serves all kinds of session.
macro_rules! operation {
    (
        [$($generic:tt)*] $Operation:ident<$life:lifetime $(, $arg:ident)*; F>
        -> $Output:ty, on $field:ident
    ) => {
        operation! {
            @parts [$($generic)* F: crate::mode::Mode]
            $Operation<$life $(, $arg)*, F>, $life, $field
        }
        operation! {
            @session [$($generic)* F: crate::mode::Mode]
            $Operation<$life $(, $arg)*, F>, $life
        }
        operation! {
            @perform [$($generic)* F: crate::mode::Mode]
            $Operation<$life $(, $arg)*, F>, $life, $Output
        }
        operation! {
            @await [$($generic)*]
            $Operation<$life $(, $arg)*, crate::mode::Async>, $life, $Output
        }
        operation! {
            @run [$($generic)*]
            $Operation<$life $(, $arg)*, crate::mode::Blocking>, $life, $Output
        }
    };
    (
        [$($generic:tt)*] $Operation:ident<$life:lifetime $(, $arg:ident)*; F, $Session:ty>
        -> $Cursor:ident<$Item:ty; F>
    ) => {
        operation! {
            @perform [$($generic)* F: crate::mode::Mode]
            $Operation<$life $(, $arg)*, F, $Session>, $life, $Cursor<$Item, F>
        }
        operation! {
            @await [$($generic)*]
            $Operation<$life $(, $arg)*, crate::mode::Async, $Session>, $life,
            $Cursor<$Item, crate::mode::Async>
        }
        operation! {
            @run [$($generic)*]
            $Operation<$life $(, $arg)*, crate::mode::Blocking, $Session>, $life,
            $Cursor<$Item, crate::mode::Blocking>
        }
    };
    (
        [$($generic:tt)*] $Operation:ident<$life:lifetime $(, $arg:ident)*; F, $Session:ty>
        -> $Cursor:ident<$Item:ty; F>, $Batches:ident<F>
    ) => {
        operation! {
            [$($generic)*] $Operation<$life $(, $arg)*; F, $Session> -> $Cursor<$Item; F>
        }
        operation! {
            @perform [$($generic)* F: crate::mode::Mode]
            crate::ops::Batches<$Operation<$life $(, $arg)*, F, $Session>>, $life,
            crate::cursor::$Batches<F>
        }
        operation! {
            @await [$($generic)*]
            crate::ops::Batches<$Operation<$life $(, $arg)*, crate::mode::Async, $Session>>, $life,
            crate::cursor::$Batches<crate::mode::Async>
        }
        operation! {
            @run [$($generic)*]
            crate::ops::Batches<$Operation<$life $(, $arg)*, crate::mode::Blocking, $Session>>,
            $life, crate::cursor::$Batches<crate::mode::Blocking>
        }
    };
    (
        [$($generic:tt)*] $Operation:ident<$life:lifetime $(, $arg:ident)*; F, $Session:ty>
        -> $Output:ty
    ) => {
        operation! {
            @perform [$($generic)* F: crate::mode::Mode]
            $Operation<$life $(, $arg)*, F, $Session>, $life, $Output
        }
        operation! {
            @await [$($generic)*]
            $Operation<$life $(, $arg)*, crate::mode::Async, $Session>, $life, $Output
        }
        operation! {
            @run [$($generic)*]
            $Operation<$life $(, $arg)*, crate::mode::Blocking, $Session>, $life, $Output
        }
    };

    (@parts [$($generic:tt)*] $Operation:ty, $life:lifetime, $field:ident) => {
        impl<$life, $($generic)*> crate::ops::command::Parts<$life> for $Operation {
            fn on(&self) -> crate::ops::command::On<$life> {
                self.$field.on()
            }

            fn options(&self) -> Option<&dyn crate::ops::command::Options> {
                self.options.as_deref().map(|options| options as &dyn crate::ops::command::Options)
            }

            fn session(&self) -> Option<&crate::exec::SessionState> {
                crate::ops::session::HasSession::peek(&self.session)
            }

            fn take_session(&mut self) -> Option<&$life mut crate::exec::SessionState> {
                self.session.take()
            }
        }
    };
    (@session [$($generic:tt)*] $Operation:ty, $life:lifetime) => {
        impl<$life, $($generic)*> $Operation {
            /// Runs the operation in `session`.
            pub fn session(
                mut self,
                session: impl Into<&$life mut crate::session::ClientSession<F>>,
            ) -> Self {
                self.session = Some(session.into().state());
                self
            }
        }
    };
    (@perform [$($generic:tt)*] $Operation:ty, $life:lifetime, $Output:ty) => {
        impl<$life, $($generic)*> crate::ops::sealed::Sealed for $Operation {}

        impl<$life, $($generic)*> crate::ops::Operation for $Operation {
            type Output = $Output;

            fn perform(self) -> impl Future<Output = crate::error::Result<$Output>> + Send {
                crate::ops::command::unboxed(self)
            }
        }
    };
    (@await [$($generic:tt)*] $Operation:ty, $life:lifetime, $Output:ty) => {
        impl<$life, $($generic)*> std::future::IntoFuture for $Operation {
            type Output = crate::error::Result<$Output>;
            type IntoFuture = crate::ops::Boxed<$life, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                crate::ops::command::boxed(self)
            }
        }
    };
    (@run [$($generic:tt)*] $Operation:ty, $life:lifetime, $Output:ty) => {
        impl<$life, $($generic)*> $Operation {
            /// Runs the operation on the calling thread.
            ///
            /// # Errors
            /// Those of `.await` in the async API.
            pub fn run(self) -> crate::error::Result<$Output> {
                crate::rt::block_on(crate::ops::command::unboxed(self))
            }
        }
    };
}
pub(crate) use operation;
