package import LayoutCore

extension Procedure {
    /// Whether calls and replies begin with a sequence: all but NULL and those that set sessions up or tear them down.
    package var carriesSequence: Bool {
        switch self {
        case .null, .exchangeID, .createSession, .bindConnectionToSession, .destroySession, .destroyClientID:
            false
        case .sequence, .reclaimComplete, .lookup, .open, .close, .getAttributes, .setAttributes, .readDirectory,
            .createDirectory, .remove, .rename, .layoutGet, .layoutCommit, .layoutReturn, .getDeviceInfo, .allocate,
            .punchHole, .zeroRange, .collapseRange, .insertRange, .truncate, .cloneRange, .read, .write, .commit,
            .state, .revoke, .unblock:
            true
        }
    }

    /// What a call with ``ChangeArguments`` does to the file; `nil` for all other procedures.
    package var changeOperation: MappingOperation? {
        switch self {
        case .allocate: .allocate
        case .punchHole: .punchHole
        case .zeroRange: .zeroRange
        case .collapseRange: .collapseRange
        case .insertRange: .insertRange
        case .truncate: .truncate
        case .null, .exchangeID, .createSession, .bindConnectionToSession, .sequence, .reclaimComplete,
            .destroySession, .destroyClientID, .lookup, .open, .close, .getAttributes, .setAttributes, .readDirectory,
            .createDirectory, .remove, .rename, .layoutGet, .layoutCommit, .layoutReturn, .getDeviceInfo, .cloneRange,
            .read, .write, .commit, .state, .revoke, .unblock:
            nil
        }
    }
}

extension LayoutCodec {
    /// The procedure that a request is a call of.
    ///
    /// - Precondition: The operation of a ``Request/change(_:)`` is one that has a procedure: allocate, punch, zero,
    ///   collapse,
    ///   insert or truncate.
    package static func procedure(of request: Request) -> Procedure {
        switch request {
        case .null: .null
        case .exchangeID: .exchangeID
        case .createSession: .createSession
        case .bindConnectionToSession: .bindConnectionToSession
        case .sequence: .sequence
        case .reclaimComplete: .reclaimComplete
        case .destroySession: .destroySession
        case .destroyClientID: .destroyClientID
        case .lookup: .lookup
        case .open: .open
        case .close: .close
        case .getAttributes: .getAttributes
        case .setAttributes: .setAttributes
        case .readDirectory: .readDirectory
        case .createDirectory: .createDirectory
        case .remove: .remove
        case .rename: .rename
        case .layoutGet: .layoutGet
        case .layoutCommit: .layoutCommit
        case .layoutReturn: .layoutReturn
        case .getDeviceInfo: .getDeviceInfo
        case .change(let arguments): Self.procedure(of: arguments.operation)
        case .cloneRange: .cloneRange
        case .read: .read
        case .write: .write
        case .commit: .commit
        case .state: .state
        case .revoke: .revoke
        case .unblock: .unblock
        }
    }

    /// The callback procedure that a request is a call of.
    package static func procedure(of request: CallbackRequest) -> CallbackProcedure {
        switch request {
        case .null: .null
        case .layoutRecall: .layoutRecall
        case .recallAny: .recallAny
        case .notifyDeviceID: .notifyDeviceID
        }
    }

    private static func procedure(of operation: MappingOperation) -> Procedure {
        switch operation {
        case .allocate: return .allocate
        case .punchHole: return .punchHole
        case .zeroRange: return .zeroRange
        case .collapseRange: return .collapseRange
        case .insertRange: return .insertRange
        case .truncate: return .truncate
        case .none, .write, .cloneTo, .cloneFrom, .remove, .attribute, .shutdown, .revoke, .unknown:
            preconditionFailure("no procedure does '\(operation)' with ChangeArguments")
        }
    }
}
