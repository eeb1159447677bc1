import LayoutClient
import LayoutXDR

/// Shows on a terminal whom a change waits for.
enum WaitingProgress {
    /// Runs `body`, and meanwhile asks the server now and then who is in the way.
    static func show(_ client: LayoutClient, _ body: () async throws -> Void) async throws {
        guard Terminal.isWatched else { return try await body() }
        let watching = Task { await Self.watch(client) }
        defer {
            watching.cancel()
            Terminal.clearStatus()
        }
        try await body()
    }

    private static func watch(_ client: LayoutClient) async {
        let start = ContinuousClock.now
        // What is done at once needs no line.
        try? await Task.sleep(for: .milliseconds(300))
        while !Task.isCancelled {
            let seconds = (ContinuousClock.now - start).components.seconds
            let who = await Self.blockers(client) ?? "others to give layouts back"
            guard !Task.isCancelled else { return }
            Terminal.status("waiting for \(who) (\(seconds) s)")
            try? await Task.sleep(for: .milliseconds(250))
        }
    }

    /// Who is in the way of this client; `nil` if the server does not say.
    private static func blockers(_ client: LayoutClient) async -> String? {
        guard let own = try? await client.clientID(), let waiting = try? await client.waitingStates(),
            let names = try? await client.clientNames()
        else { return nil }
        let blockers = waiting.filter { $0.client == own }.map { $0.blocker(names) }
        return blockers.isEmpty ? nil : blockers.joined(separator: ", ")
    }
}
