import Glibc
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// Clients that are silent for longer than their lease.
///
/// The shortest lease is a second, and the server waits five seconds longer than it says.
@Suite(.serialized) struct CourtesyTests {
    /// Waits until the lease of everybody but `observer` has run out.
    private func waitForExpiry(_ clients: Int, _ observer: RawClient) throws {
        try waitUntil("the leases run out") {
            let states = try observer.clientStates()
            return states.filter { $0.leaseLeftMilliseconds <= 0 }.count == clients
        }
    }

    @Test("D9: a thousand dead clients keep their layouts until something conflicts, and then nobody waits for them")
    func manyExpired() throws {
        let clients = 1000
        let server = try ServerProcess(on: .plain, ["--lease", "1s"])
        let observer = try RawClient(server, "observer")
        _ = try StampedFile(server.directory.file("data"), pages: 16)
        let handle = try observer.open("data")
        for number in 0..<clients {
            let client = try RawClient(server, "client \(number)")
            _ = try client.layoutGet(handle, .all, .read)
            client.disconnect()
        }
        try self.waitForExpiry(clients, observer)
        #expect(try observer.serverState().layouts == UInt64(clients))
        #expect(try observer.serverState().recallsSent == 0)

        // What does not conflict runs beside them.
        let allocated = try observer.change(.allocate, handle, 0, 4096)
        #expect(allocated.recalled == 0)
        #expect(try observer.serverState().layouts == UInt64(clients))
        let (truncated, elapsed) = try timed { try observer.change(.truncate, handle, 4096) }
        #expect(truncated.recalled == UInt32(clients))
        print("\(clients) expired clients and one conflicting change: \(elapsed)")
        #expect(elapsed < .seconds(5))
        let state = try observer.serverState()
        #expect(state.layouts == 0)
        #expect(state.recallsSent == 0, "nobody is there to be asked")
        #expect(server.stop() == 0)
    }

    @Test("D9, D10: a client that is back before a conflict has everything; after one it learns what it lost")
    func back() throws {
        let server = try ServerProcess(on: .plain, ["--lease", "1s"])
        let observer = try RawClient(server, "observer")
        let silent = try RawClient(server, "silent")
        let unlucky = try RawClient(server, "unlucky")
        _ = try StampedFile(server.directory.file("kept"), pages: 4)
        _ = try StampedFile(server.directory.file("lost"), pages: 4)
        let (kept, lost) = (try silent.open("kept"), try unlucky.open("lost"))
        let grant = try silent.layoutGet(kept)
        let gone = try unlucky.layoutGet(lost)
        try self.waitForExpiry(2, observer)
        let (truncated, elapsed) = try timed { try observer.change(.truncate, lost, 0) }
        #expect(truncated.recalled == 1)
        #expect(elapsed < .seconds(3), "an expired client has no time to answer")

        #expect(try silent.statusFlags().isDisjoint(with: [.someRevoked, .allRevoked]))
        #expect(try silent.layoutReturn(kept, grant.stateID, ByteRange(offset: 0, length: 4096) ?? .all) != nil)
        #expect(try unlucky.statusFlags().contains(.allRevoked))
        let refusal = #expect(throws: Failure.self) { try unlucky.layoutReturn(lost, gone.stateID) }
        #expect(refusal?.status == .badStateID)
        server.kill()
    }

    @Test("D9: kill: an expired holder that still stores is killed at the first conflict, with no time to answer")
    func expiredAndAlive() throws {
        let held = try HeldFile(
            on: TestFileSystems.images.first ?? .plain,
            fence: "kill",
            ["--lease", "1s", "--recall-timeout", "15s"]
        )
        defer { held.end() }
        try self.waitForExpiry(1, held.changer)
        try held.waitForStores(of: 0..<1)
        let (_, elapsed) = try timed { try held.insert() }
        #expect(elapsed < .seconds(5))
        #expect(held.storing.wasKilled())
        let content = try held.file.content()
        #expect(content.names == HeldFile.after)
        #expect(content.misplaced == 0)
    }
}
