extension Simulation {
    /// Situations that must come up somewhere over the fixed seeds, or the simulation does not test what it should.
    package enum Mark: String, Hashable, Sendable, CaseIterable {
        // Grants, recalls and changes.
        case recallOvertookReply, changeWaitedForGrant, returnWaitedForPin, mapOvertakenByRevoke, changeRanOutOfPatience
        case holderDiedUnderRecall, holderStoppedUnderRecall, connectionBrokeUnderRecall, fencedWhileDraining
        case ownDeadlinePassed, contentFollowed, contentRemoved, fenceFailed, ownChangeTookOwnLayouts
        case grantWaitedForChange, sizeChangedUnderTruncate, childKeptDescriptor, cooperativeTrustBroken
        // Local programs.
        case localWithdrawn, localOutcomeUnknown, localWaitedOverRestart, localRanOverRestart
        case crashedBeforeLetThrough, crashedAfterLetThrough
        // Sessions and the network.
        case replyLostAndAskedAgain, firstCopyStillRunning, lateCopyOfAnsweredCall, recallSentAgain, descriptorLost
        case systemCallFailed, storeFailed
        // Restarts.
        case crashedBeforeIntent, crashedAfterIntent, crashedAfterCall, crashedAfterReplyWritten, crashedAfterReplySent
        case crashedBeforeHolderWritten, crashedAfterHolderWritten, crashedWhileRecovering, secondRestartInGrace
        case retryReplayedFromStore, deadSessionChangeSentAnew, reclaimed, reclaimedAfterOwnDeadline, reclaimRefused
        case provenGoneAtStart, graceEndedEarly, graceRanOut, changeRefusedInGrace, intentFoundDone, intentFoundUndone
        case halfDoneShiftBlocked, powerCutLostChange, storeLost, foreignLockFound
    }

    /// Classes of faults that worlds are made of.
    package enum FaultClass: String, Hashable, Sendable, CaseIterable {
        case connectionBroken, connectionSilent, directionHeldUp, clientStopped, serverStopped, clientKilled
        case serverKilled, powerCut, storeLost, systemCallFailed, storeFailed, clockOff
        case localProgramKilled
    }

    /// Faults planted in the shells around the production code, at least one per kind of trap: each must be found.
    package enum Fault: String, Hashable, Sendable, CaseIterable {
        /// The fence says that a holder is gone that is not.
        case fenceLies
        /// After a few tries a holder counts as fenced (trap T7).
        case fenceAssumed
        /// A return is sent while access is possible (T9).
        case returnsBeforeRevoking
        /// A map that was overtaken by a revoke opens the window.
        case mapIgnoresRevoke
        /// The system call runs when the change is requested, not when it is permitted (T6).
        case changeSkipsPermission
        /// A change is permitted twice.
        case permissionRepeated
        /// The change is called finished when its system call begins (T1, T11).
        case barrierDroppedEarly
        /// A window counts as drained while an access is in flight.
        case ignoresPins
        /// Windows that follow their content are not told of shifts (T10).
        case forgetsShifts
        /// Access goes on after the holder's own deadline, and the server trusts it (T8).
        case ignoresOwnDeadline
        /// A descriptor of an earlier stateid comes back to life.
        case keepsDescriptors
        /// A recall is said to be sent, and is not; and clients do not heed that it is overdue (T14).
        case recallLost
        /// A retry is executed again while the first copy runs (T17).
        case retryRunsAgain
        /// Changes whose outcome is unknown are sent again.
        case resendsUnknown
        /// Holders are not recovered after a restart (T18).
        case holdersForgotten
        /// A restart in grace recovers only those who came back (T18).
        case secondRestartForgets
        /// A grant is sent before its holder is written.
        case grantBeforeWritten
        /// A grant of bytes that another one has just made the client's does not wait until that is written.
        case grantOvertakesWrite
        /// A record waits for its turn in its list of actions, and replaces a later one.
        case recordsReordered
        /// A change's reply is sent before it is written.
        case replyBeforeWritten
        /// Intents are dropped at the start.
        case intentIgnored
        /// A shift counts as done when the size says so.
        case sizeOnlyFingerprint
        /// Clients that lost layouts are forgotten with the server's life.
        case revocationNotWritten
        /// Whoever claims layouts in grace gets them.
        case reclaimsUnchecked
        /// Grace is over before anybody came back.
        case noGrace
        /// The shift log comes back without what was done last.
        case epochGuessed

        /// A shift that is found done is answered without being put on stable storage.
        case foundDoneNotSynced
        /// A client whose renewals do not count any more, because of a recall, keeps what it holds as long as it is connected.
        case suspendedForEver
        /// A local program's call goes on before layouts are back.
        case guardLetsGoEarly
        /// The next life does not know of a call that was let through and still runs.
        case runningCallForgotten
        /// The shift log is not declared void before a local program moves bytes.
        case gapNotWritten
        /// A local program goes on before the reply to the change ahead of it is written.
        case localOvertakesReply
        /// A call of which nobody knows the outcome counts as failed.
        case unknownTakenForFailed

        /// The situation that the fault is about.
        enum Need {
            case nothing, ownDeadlines, deaths, lostReplies, restarts, restartsTrusted, powerCuts, lostStore, liars
            case restartsAndPowerCuts, overdueRecalls
        }

        var needs: Need {
            switch self {
            case .fenceLies, .returnsBeforeRevoking, .mapIgnoresRevoke, .changeSkipsPermission, .permissionRepeated,
                .barrierDroppedEarly, .ignoresPins, .forgetsShifts, .keepsDescriptors, .recallLost,
                .guardLetsGoEarly, .unknownTakenForFailed:
                .nothing
            case .ignoresOwnDeadline: .ownDeadlines
            case .fenceAssumed: .deaths
            case .retryRunsAgain: .lostReplies
            case .resendsUnknown: .lostStore
            case .holdersForgotten, .secondRestartForgets, .grantBeforeWritten, .grantOvertakesWrite, .recordsReordered,
                .replyBeforeWritten, .intentIgnored,
                .revocationNotWritten, .epochGuessed, .runningCallForgotten, .gapNotWritten,
                .localOvertakesReply:
                .restarts
            case .noGrace: .restartsTrusted
            case .sizeOnlyFingerprint: .powerCuts
            case .foundDoneNotSynced: .restartsAndPowerCuts
            case .suspendedForEver: .overdueRecalls
            case .reclaimsUnchecked: .liars
            }
        }
    }
}
