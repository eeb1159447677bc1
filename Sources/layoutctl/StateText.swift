import LayoutClient
import LayoutXDR

extension ClientState {
    /// The owner without its unique part, as far as it can be read.
    var name: String {
        let text = String(decoding: self.owner, as: UTF8.self)
        let word = text.split(separator: " ").first.map { String($0) } ?? "?"
        return String(word.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
    }

    /// The name, and where it runs.
    var text: String {
        let place = self.pid == 0 ? "at \(self.address), client \(self.client.rawValue)" : "process \(self.pid)"
        return "\(self.name) (\(place))"
    }
}

extension LayoutClient {
    /// What to call each client.
    func clientNames() async throws -> [ClientID: String] {
        var names: [ClientID: String] = [:]
        for state in try await self.clientStates() { names[state.client] = state.text }
        return names
    }
}

extension HeldLayoutState {
    var pathText: String { PathText.text(self.path) }
}

extension BlockedState {
    var pathText: String { PathText.text(self.path) }
}

extension RecallState {
    var pathText: String { PathText.text(self.path) }
}

extension WaitingState {
    var pathText: String { PathText.text(self.path) }

    /// Who wants it.
    func requester(_ names: [ClientID: String]) -> String {
        if self.client.rawValue != 0 { return names[self.client] ?? "client \(self.client.rawValue)" }
        let name = self.command.isEmpty ? "a local program" : "\(self.command) (process \(self.pid))"
        return self.call.isEmpty ? name : "\(name) in \(self.call)"
    }

    /// What is in the way.
    func blocker(_ names: [ClientID: String]) -> String {
        if self.isRunning { return "nothing: it runs" }
        if self.waitsFor.isEmpty { return "its turn" }
        return self.waitsFor.map { names[$0] ?? "client \($0.rawValue)" }.joined(separator: ", ")
    }
}

extension ByteRange {
    /// Bounds with units.
    var text: String {
        let end = self.isToEnd ? "end" : ByteSize.exact(self.upperBound)
        return "\(ByteSize.exact(self.lowerBound)) - \(end)"
    }
}

enum PathText {
    /// A path for a terminal: nothing in it moves the cursor.
    static func text(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return String(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
    }
}
