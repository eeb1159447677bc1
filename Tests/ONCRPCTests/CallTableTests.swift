import NIOCore
import Testing

@testable import ONCRPC

@Suite("Tables of calls")
struct CallTableTests {
    @Test("A call is ended once, and an old name never ends a later call in its place")
    func generations() throws {
        var table = CallTable(capacity: 2)
        let begun = [table.begin(xid: 7), table.begin(xid: 7), table.begin(xid: 8)]
        let first = try #require(begun[0])
        let second = try #require(begun[1])
        #expect(first != second)
        #expect(begun[2] == nil)
        let ended = [table.end(first), table.end(first)]
        #expect(ended == [true, false])
        let again = table.begin(xid: 7)
        let third = try #require(again)
        let unknown = RPCCallID(xid: 7, slot: 99, generation: 0)
        let endedAgain = [table.end(first), table.end(unknown), table.end(second), table.end(third), table.end(third)]
        #expect(endedAgain == [false, false, true, true, false])
        #expect(table.count == 0)
    }

    @Test("Outstanding calls have distinct ids, also where the counter wraps onto one in use")
    func transactionIDs() {
        var calls = OutstandingCalls(capacity: 3, firstXID: .max)
        let ids = (0..<4).map { _ in calls.begin(deadline: .distantFuture) { _ in } }
        #expect(ids == [.max, 0, 1, nil])
        let ended = [calls.end(0) != nil, calls.end(0) != nil]
        #expect(ended == [true, false])
        let next = calls.begin(deadline: .distantFuture) { _ in }
        #expect(next == 2)
    }

    @Test("Only calls whose deadline has come expire, the earliest first")
    func deadlines() {
        var calls = OutstandingCalls(capacity: 10, firstXID: 0)
        var order: [Int] = []
        for (index, deadline) in [30, 10, 20, 40].enumerated() {
            _ = calls.begin(deadline: .uptimeNanoseconds(UInt64(deadline))) { _ in order.append(index) }
        }
        #expect(calls.earliestDeadline == .uptimeNanoseconds(10))
        for completion in calls.endExpired(at: .uptimeNanoseconds(30)) { completion(.failure(.deadlineExceeded)) }
        #expect(order == [1, 2, 0])
        #expect(calls.count == 1)
        #expect(calls.earliestDeadline == .uptimeNanoseconds(40))
    }
}
