"""SIP as a pure core: messages, transactions, dialogs. No sockets, no clock."""
