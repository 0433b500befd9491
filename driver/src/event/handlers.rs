//! Handler traits with one method per event, as an alternative to [`HandleEvent`].
//!
//! [`HandleEvent`]: super::HandleEvent

use std::sync::Arc;

use super::EventHandler;
use super::cmap::{self, CmapEvent};
use super::command::{self, CommandEvent};
use super::sdam::{self, SdamEvent};

/// Declares a trait with one method per event. The default methods do nothing. An implementation
/// converts to an event handler.
macro_rules! handler {
    (
        $(#[$about:meta])*
        $Trait:ident for $Event:ident of $module:ident {
            $( $method:ident: $Variant:ident($Payload:ident) $(unboxed by $take:tt)?, )*
        }
    ) => {
        $(#[$about])*
        pub trait $Trait: Send + Sync {
            $(
                #[doc = concat!(
                    "Handles a [`", stringify!($Payload), "`](", stringify!($module), "::",
                    stringify!($Payload), ").",
                )]
                fn $method(&self, event: $module::$Payload) {
                    let _ = event;
                }
            )*
        }

        impl<H: $Trait + 'static> From<Arc<H>> for EventHandler<$Event> {
            fn from(handler: Arc<H>) -> Self {
                EventHandler::callback(move |event| match event {
                    $( $Event::$Variant(event) => handler.$method($($take)? event), )*
                })
            }
        }
    };
}

handler! {
    /// Handles the events of commands, with one method each.
    CommandEventHandler for CommandEvent of command {
        handle_command_started_event: Started(CommandStartedEvent),
        handle_command_succeeded_event: Succeeded(CommandSucceededEvent),
        handle_command_failed_event: Failed(CommandFailedEvent),
    }
}

handler! {
    /// Handles the events of connection pools, with one method each.
    CmapEventHandler for CmapEvent of cmap {
        handle_pool_created_event: PoolCreated(PoolCreatedEvent),
        handle_pool_ready_event: PoolReady(PoolReadyEvent),
        handle_pool_cleared_event: PoolCleared(PoolClearedEvent),
        handle_pool_closed_event: PoolClosed(PoolClosedEvent),
        handle_connection_created_event: ConnectionCreated(ConnectionCreatedEvent),
        handle_connection_ready_event: ConnectionReady(ConnectionReadyEvent),
        handle_connection_closed_event: ConnectionClosed(ConnectionClosedEvent),
        handle_connection_checkout_started_event:
            ConnectionCheckoutStarted(ConnectionCheckoutStartedEvent),
        handle_connection_checkout_failed_event:
            ConnectionCheckoutFailed(ConnectionCheckoutFailedEvent),
        handle_connection_checked_out_event: ConnectionCheckedOut(ConnectionCheckedOutEvent),
        handle_connection_checked_in_event: ConnectionCheckedIn(ConnectionCheckedInEvent),
    }
}

handler! {
    /// Handles the events of discovery and monitoring, with one method each.
    SdamEventHandler for SdamEvent of sdam {
        handle_server_description_changed_event:
            ServerDescriptionChanged(ServerDescriptionChangedEvent) unboxed by *,
        handle_server_opening_event: ServerOpening(ServerOpeningEvent),
        handle_server_closed_event: ServerClosed(ServerClosedEvent),
        handle_topology_description_changed_event:
            TopologyDescriptionChanged(TopologyDescriptionChangedEvent) unboxed by *,
        handle_topology_opening_event: TopologyOpening(TopologyOpeningEvent),
        handle_topology_closed_event: TopologyClosed(TopologyClosedEvent),
        handle_server_heartbeat_started_event: ServerHeartbeatStarted(ServerHeartbeatStartedEvent),
        handle_server_heartbeat_succeeded_event:
            ServerHeartbeatSucceeded(ServerHeartbeatSucceededEvent),
        handle_server_heartbeat_failed_event: ServerHeartbeatFailed(ServerHeartbeatFailedEvent),
    }
}
