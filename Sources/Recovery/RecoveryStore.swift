package import LayoutCore

/// One durable change; ``RecoveredState/apply(_:)`` says what each means.
package enum RecoveryRecord: Hashable, Sendable {
    /// A life begins.
    case life(StoredLife)
    /// Insert, or replace by ID.
    case client(StoredClient)
    /// The client goes, and with it its sessions, their replies, its holders and its revocations.
    case clientGone(ClientID)
    /// Insert, or replace by ID.
    case session(StoredSession)
    /// The session goes, and with it its replies.
    case sessionGone(SessionID)
    /// Replaces the slot's earlier reply. Without effect if the session is gone.
    case reply(StoredReply)
    /// Insert, or replace by handle.
    case file(StoredFile)
    /// What is known of the file goes. Its holders are gone before; its revocations and its block stay.
    case fileGone(FileHandle)
    /// Insert, or replace by number.
    case holder(StoredHolder)
    case holderGone(number: UInt64)
    /// Insert, unless it is there.
    case revocation(StoredRevocation)
    /// The client knows of all that was taken from it.
    case revocationsSeen(ClientID)
    /// Insert, or replace by number.
    case intent(StoredIntent)
    case intentEnded(number: UInt64)
    /// Insert, or replace by file: a change to it was neither undone nor done.
    case blocked(FileHandle, reason: String)
    /// An operator has looked at the file.
    case unblocked(FileHandle)
}

/// What a record survives.
package enum Durability: Hashable, Sendable {
    /// The end of the server's process, however it ends.
    case written
    /// A power cut.
    case synced
}

/// Where records are kept over the lives of a server.
///
/// Calls may block, and may come from several threads at a time. The records are kept in the order in which the calls
/// return: a power cut takes the latest ones that were not synced, never one from the middle.
package protocol RecoveryStore: Sendable {
    /// Everything that is kept: what the records have led to.
    func load() throws(RecoveryStoreError) -> RecoveredState
    /// Keeps the records, in order: all of them, or, if it throws, none.
    ///
    /// Once a `.synced` call has returned, whatever was written before it is synced too.
    func write(_ records: [RecoveryRecord], _ durability: Durability) throws(RecoveryStoreError)
    /// Ends the use of the store; what was written stays.
    func close()
}

/// Why the store cannot be used, and what an operator can do about it.
package struct RecoveryStoreError: Error, Hashable, Sendable {
    /// The kind of failure.
    package enum Code: Hashable, Sendable, CaseIterable {
        /// The content makes no sense.
        case damaged
        /// It was made by a version that this one does not understand.
        case wrongVersion
        /// It belongs to another filesystem or directory.
        case foreign
        /// There is no room, or no quota, for more.
        case full
        /// It cannot be reached, read or written.
        case unavailable
        /// Another process uses it.
        case inUse
    }

    package var code: Code
    /// What happened to which file, and the remedy.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension RecoveryStoreError: CustomStringConvertible {
    /// The message.
    package var description: String { self.message }
}
