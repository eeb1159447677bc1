import LayoutCore
import LayoutXDR
import LinuxFiles
import Recovery

/// A call that changes something, as far as its retry has to be known again by a later life of the server.
struct RecordedCall: Sendable {
    let session: SessionID
    let slot: UInt32
    let sequence: UInt32
    let digest: UInt64
    let keepsReply: Bool
    let procedure: Procedure
    /// The arguments as they came.
    let arguments: [UInt8]
}

/// What has to become durable together with the reply to a change, before anybody hears of it.
struct ReplyRecord: Sendable {
    /// The intent that ends with it; `nil` if the change left none.
    let intent: UInt64?

    /// A power cut undoes what an unstable write stored anyway.
    var durability: Durability { self.intent == nil ? .written : .synced }
}

/// A change that was tried.
struct RecordedChange<Value: Sendable>: Sendable {
    /// What the system call returned, or why it was not made or failed.
    let made: Result<Value, LinuxError>
    /// Why what was made may not be on stable storage.
    var syncError: LinuxError?
    /// `nil` if nothing was begun, so that nothing need be kept.
    let record: ReplyRecord?

    /// The outcome for a caller who is told of no difference between a change that failed and one that may be lost.
    var result: Result<Value, Failure> {
        if let syncError = self.syncError { return .failure(Failure(syncError)) }
        return self.made.mapError { Failure($0) }
    }

    /// The same change with another value.
    func map<Other: Sendable>(_ transform: (Value) -> Other) -> RecordedChange<Other> {
        RecordedChange<Other>(made: self.made.map(transform), syncError: self.syncError, record: self.record)
    }

    /// Nothing was done, and nothing need be kept.
    static func notBegun(_ made: Result<Value, LinuxError>) -> RecordedChange {
        RecordedChange(made: made, record: nil)
    }
}

/// Makes a change exactly once, whatever ends the server meanwhile (specification §8.4): the one place that does it.
///
/// First the intent becomes durable, then the system call is made and brought to stable storage. The owner of the call
/// ends the intent together with the reply (``LayoutService/finish(_:_:)``), before anybody hears of it. What is left
/// when the server dies in between is resolved by the next life (``IntentResolution``). On threads that may block.
struct ChangeRecorder: Sendable {
    let journal: RecoveryJournal
    let call: RecordedCall

    /// Makes a change.
    ///
    /// - Parameters:
    ///   - subject: What is about to happen; `nil` for what can be done twice with the same outcome, and only keeps its
    ///     reply.
    ///   - change: The system call.
    ///   - synchronize: Brings it to stable storage.
    /// - Returns: What came of it, and what has to be kept with the reply.
    func run<Value: Sendable>(
        _ subject: ChangeIntent.Subject?,
        _ change: () throws(LinuxError) -> Value,
        synchronize: (Value) throws(LinuxError) -> Void
    ) -> RecordedChange<Value> {
        let record: ReplyRecord
        do throws(RecoveryStoreError) {
            let intent = try subject.map { (subject) throws(RecoveryStoreError) in try self.begin(subject) }
            record = ReplyRecord(intent: intent)
        } catch {
            return .notBegun(.failure(LinuxError(refusing: error.status, error.refusal)))
        }
        let value: Value
        do throws(LinuxError) {
            value = try change()
        } catch {
            return RecordedChange(made: .failure(error), record: record)
        }
        Failpoint.hit(.afterSystemCall)
        var changed = RecordedChange(made: .success(value), record: record)
        do throws(LinuxError) {
            try synchronize(value)
        } catch {
            changed.syncError = error
        }
        Failpoint.hit(.afterSync)
        return changed
    }

    private func begin(_ subject: ChangeIntent.Subject) throws(RecoveryStoreError) -> UInt64 {
        Failpoint.hit(.beforeIntent)
        let number = self.journal.nextIntent()
        let intent = ChangeIntent(procedure: self.call.procedure, arguments: self.call.arguments, subject: subject)
        let stored = StoredIntent(
            number: number,
            session: self.call.session,
            slot: self.call.slot,
            sequence: self.call.sequence,
            digest: self.call.digest,
            keepsReply: self.call.keepsReply,
            body: intent.encoded
        )
        try self.journal.write([.intent(stored)], .synced)
        Failpoint.hit(.afterIntent)
        return number
    }
}

extension RecoveryStoreError {
    /// What a call is answered that the store could not be prepared for.
    var status: LayoutStatus {
        switch self.code {
        // Room can be made, and then the call works.
        case .full: .resource
        case .damaged, .wrongVersion, .foreign, .unavailable, .inUse: .serverFault
        }
    }

    /// The words for it.
    var refusal: String { "nothing was done, because the server cannot write it down: \(self.message)" }
}
