import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles
import TestSupport
import Testing

/// Many holders, many changes, many dead clients, against a real server.
@Suite(.serialized) struct ManyTests {
    @Test("C15: changes wait on far more files than the server has threads, then the returns arrive, and all run")
    func waitingChanges() throws {
        let files = 64
        let server = try ServerProcess(on: .plain, ["--threads", "2"])
        let holder = try RawClient(server, "holder")
        var handles: [FileHandle] = []
        for number in 0..<files {
            _ = try StampedFile(server.directory.file("file\(number)"), pages: 1)
            handles.append(try holder.open("file\(number)"))
            _ = try holder.layoutGet(handles[number])
        }
        // Two slots of a session are kept free of calls that wait.
        let changers = try (0..<8).map { try RawClient(server, "changer \($0)", slots: 16) }
        let calls = try (0..<files).map { number in
            try changers[number % 8].send(RawClient.change(.truncate, handles[number], 0))
        }
        try waitUntil("all changes wait") { try holder.serverState().changesWaiting == UInt64(files) }
        let (_, elapsed) = try timed {
            for _ in 0..<files { try holder.giveBack(try holder.nextRecall()) }
            for (number, call) in calls.enumerated() {
                let result = try changers[number % 8].changeResult(of: call)
                #expect(result.size == 0 && result.recalled == 1)
            }
        }
        print("\(files) changes that waited on 2 threads: all done \(elapsed) after the first return")
        #expect(try holder.serverState().changesWaiting == 0)
        #expect(server.stop() == 0)
    }

    @Test("C5: a hundred holders are recalled at once, and all who do not return share one deadline")
    func fanOut() throws {
        let holders = 100
        let server = try ServerProcess(on: .plain, ["--recall-timeout", "1s"])
        _ = try StampedFile(server.directory.file("data"), pages: 4)
        let changer = try RawClient(server, "changer")
        let handle = try changer.open("data")
        let clients = try (0..<holders).map { try RawClient(server, "holder \($0)") }
        for client in clients { _ = try client.layoutGet(handle, .all, .read) }
        let truncate = try changer.send(RawClient.change(.truncate, handle, 8192))
        // None returns before the last one was asked.
        let recalls = try clients.map { try $0.nextRecall() }
        for (client, recall) in zip(clients, recalls) { try client.giveBack(recall) }
        #expect(try changer.changeResult(of: truncate).recalled == UInt32(holders))

        for client in clients { _ = try client.layoutGet(handle, .all, .read) }
        // Nobody fetched a descriptor: once the deadline has passed all are proven gone.
        let (second, elapsed) = try timed { try changer.change(.truncate, handle, 4096) }
        #expect(second.recalled == UInt32(holders))
        print("\(holders) holders that do not return, each with a second: \(elapsed)")
        #expect(elapsed >= .seconds(1) && elapsed < .seconds(8))
        #expect(try changer.serverState().recallsRevoked == UInt64(holders))
        #expect(server.stop() == 0)
    }

    /// What a client may answer a recall with, and whether that ends it before its deadline.
    private static let answers: [(RawClient.RecallAnswer, isTheEnd: Bool)] = [
        (.nothing, false), (.status(.resource), false), (.status(.serverFault), false), (.status(.badXDR), false),
        (.status(.badStateID), false), (.status(.badHandle), false), (.status(.delay), false),
        (.status(.badSession), false), (.status(LayoutStatus(rawValue: 77_777)), false),
        (.status(.noMatchingLayout), true), (.results([]), false), (.results([1, 2, 3]), false),
        (.results([UInt8](repeating: 0xff, count: 4096)), false),
        // PROC_UNAVAIL, AUTH_ERROR, and what is no reply at all.
        (.message([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]), false),
        (.message([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]), false),
        (.message([0, 0, 0, 1, 0, 0, 0, 9]), false),
        // No message at all: the server hangs up, and sees that nobody has the file open.
        (.message([]), true),
    ]

    @Test("C3: whatever a client answers to a recall, the change runs after the deadline, and the server goes on")
    func oddAnswers() throws {
        let server = try ServerProcess(on: .plain, ["--recall-timeout", "200ms"])
        let changer = try RawClient(server, "changer")
        for (number, (answer, isTheEnd)) in Self.answers.enumerated() {
            _ = try StampedFile(server.directory.file("file\(number)"), pages: 2)
            let holder = try RawClient(server, "holder \(number)", answer: answer)
            let handle = try holder.open("file\(number)")
            _ = try holder.layoutGet(handle)
            let truncate = try changer.send(RawClient.change(.truncate, handle, 4096))
            let (result, elapsed) = try timed {
                _ = try holder.nextRecall()
                return try changer.changeResult(of: truncate)
            }
            #expect(result.size == 4096, "\(answer)")
            #expect(isTheEnd || elapsed >= .milliseconds(150), "\(answer): \(elapsed)")
            #expect(elapsed < .seconds(5), "\(answer): \(elapsed)")
        }
        #expect(server.stop() == 0)
    }

    @Test("C17: a change that waits for dead clients holds nobody else's change or fence up")
    func deadPeers() throws {
        let server = try ServerProcess(on: .plain, ["--threads", "1", "--recall-timeout", "200ms"])
        let changer = try RawClient(server, "changer")
        var storing: [StoringProcess] = []
        var dead: [RawClient] = []
        defer {
            for process in storing { process.end() }
            server.kill()
        }
        // Eight whose connections hang or are gone, while their processes keep what they map.
        for number in 0..<8 {
            _ = try StampedFile(server.directory.file("dead\(number)"), pages: 1)
            let client = try RawClient(server, "dead \(number)", answer: .nothing)
            let handle = try client.open("dead\(number)")
            storing.append(try StoringProcess(try client.layoutGet(handle), of: server))
            if number % 2 == 0 { client.disconnect() }
            dead.append(client)
            _ = try changer.send(RawClient.change(.truncate, handle, 0))
        }
        try waitUntil("all are fenced, in vain") {
            try changer.recallStates().filter { $0.fenceAttempts > 0 }.count == 8
        }
        _ = try StampedFile(server.directory.file("other"), pages: 2)
        let other = try RawClient(server, "other")
        let handle = try other.open("other")
        _ = try other.layoutGet(handle)
        let (result, elapsed) = try timed { try changer.change(.truncate, handle, 4096) }
        #expect(result.size == 4096)
        print("fence beside eight dead clients: \(elapsed)")
        #expect(elapsed < .seconds(3))
        #expect(try changer.serverState().changesWaiting == 8)
    }
}
