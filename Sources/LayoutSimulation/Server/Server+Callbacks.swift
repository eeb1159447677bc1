import LayoutCore
import LeaseEngine
import Sessions

/// Callbacks by their recalls: each on its way at most once, each on a slot until it is answered.
struct CallbackTable {
    final class Outgoing {
        let recall: LeaseEngine.Recall
        var slot: ServerSessions.Callback?
        var connection: ConnectionID?

        init(_ recall: LeaseEngine.Recall) { self.recall = recall }
    }

    var byRecall: [RecallID: Outgoing] = [:]
    /// Those that wait for a free slot, by client.
    var queues: [ClientID: [Outgoing]] = [:]
    /// Sent, unanswered, and their connection broke: sent again as the same calls.
    var stranded: [Outgoing] = []
    /// On their way, in the order of sending.
    var inFlight: [Outgoing] = []
}

/// Recalls on the back channel, each with a slot of its own (specification §4.6).
extension Server {
    func sendRecall(_ recall: LeaseEngine.Recall) {
        if self.world.has(.recallLost), self.world.random.oneIn(3) { return self.submit(.recallSent(recall.id)) }
        if let existing = self.callbacks.byRecall[recall.id] {
            if self.callbacks.inFlight.contains(where: { $0 === existing }) {
                return self.submit(.recallSent(recall.id))
            }
            guard self.callbacks.stranded.contains(where: { $0 === existing }) else { return }
            // Its slot waits for its session; the client can be reached elsewhere.
            self.world.mark(.recallSentAgain)
        }
        let callback = CallbackTable.Outgoing(recall)
        self.callbacks.byRecall[recall.id] = callback
        self.callbacks.queues[recall.client, default: []].append(callback)
        self.sendQueuedCallbacks(to: recall.client)
    }

    private func sendQueuedCallbacks(to client: ClientID) {
        while let next = self.callbacks.queues[client]?.first {
            guard let slot = self.sessions.beginCallback(to: client) else {
                guard !self.sessions.hasBackChannel(client) else { return }
                self.callbacks.queues[client]?.removeFirst()
                self.callbacks.byRecall[next.recall.id] = nil
                self.submit(.recallFailed(next.recall.id))
                continue
            }
            self.callbacks.queues[client]?.removeFirst()
            next.slot = slot
            self.send(next, slot, on: slot.connections)
        }
    }

    private func send(
        _ callback: CallbackTable.Outgoing,
        _ slot: ServerSessions.Callback,
        on candidates: [ConnectionID]
    ) {
        guard let id = candidates.last(where: { self.connection($0)?.isOpen(at: .server) == true }),
            let connection = self.connection(id)
        else {
            self.callbacks.stranded.append(callback)
            return self.submit(.recallFailed(callback.recall.id))
        }
        callback.connection = id
        self.callbacks.inFlight.append(callback)
        let message = CallbackMessage(session: slot.session, ticket: slot.ticket, recall: callback.recall)
        let client = connection.client
        connection.send(to: .client) { [unowned self] in
            let status = client.callback(message)
            connection.send(to: .server) { [unowned self] in self.answered(callback, slot, status) }
        }
        self.submit(.recallSent(callback.recall.id))
    }

    var oracle: Oracle { self.world.oracle }

    /// The connection is gone: what was on its way is sent again when the session has another one.
    func strandCallbacks(on connection: ConnectionID) {
        let lost = self.callbacks.inFlight.filter { $0.connection == connection }
        guard !lost.isEmpty else { return }
        self.callbacks.inFlight.removeAll { $0.connection == connection }
        self.callbacks.stranded += lost
        self.world.mark(.connectionBrokeUnderRecall)
        for callback in lost { self.submit(.recallFailed(callback.recall.id)) }
        for callback in lost {
            if let slot = callback.slot, !self.sessions.backConnections(of: slot.session).isEmpty {
                self.resendStranded(on: slot.session)
            }
        }
    }

    func resendStranded(on session: SessionID) {
        let again = self.callbacks.stranded.filter { $0.slot?.session == session }
        self.callbacks.stranded.removeAll { $0.slot?.session == session }
        for callback in again {
            guard let slot = callback.slot else { continue }
            self.send(callback, slot, on: self.sessions.backConnections(of: session))
        }
    }

    private func answered(_ callback: CallbackTable.Outgoing, _ slot: ServerSessions.Callback, _ status: LayoutStatus) {
        guard let place = self.callbacks.inFlight.firstIndex(where: { $0 === callback }) else { return }
        self.callbacks.inFlight.remove(at: place)
        let isRefused = [.badSession, .badSlot, .badHighSlot, .sequenceMisordered, .falseRetry].contains(status)
        self.sessions.completeCallback(slot, wasSequenced: !isRefused)
        let recall = callback.recall
        if self.callbacks.byRecall[recall.id] === callback { self.callbacks.byRecall[recall.id] = nil }
        self.submit(isRefused ? .recallFailed(recall.id) : .recallAnswered(recall.id, status))
        self.sendQueuedCallbacks(to: recall.client)
    }

    func recallEnded(_ recall: RecallID, _ outcome: LeaseEngine.RecallOutcome) {
        if outcome == .returned { self.world.report.recalls += 1 }
        // One in flight keeps its slot until it is answered; the engine takes no notice of the answer.
        guard let callback = self.callbacks.byRecall.removeValue(forKey: recall) else { return }
        self.callbacks.queues[callback.recall.client]?.removeAll { $0 === callback }
    }
}
