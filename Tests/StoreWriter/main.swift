// Writes a script into a store until it is killed, and says after each write how many there were.
//
// store-writer DIRECTORY SEED START: the store holds the first START writes of the script already.
import Glibc
import RecoveryScript
import SQLiteStore

let arguments = CommandLine.arguments
guard arguments.count == 4, let seed = UInt64(arguments[2]), let start = Int(arguments[3]) else {
    print("usage: store-writer DIRECTORY SEED START")
    exit(2)
}
do {
    var script = RecoveryScript(seed: seed)
    _ = script.next(start)
    let store = try SQLiteStore.open(
        directory: arguments[1],
        identity: RecoveryScript.identity,
        mode: .existingOrNew
    )
    _ = try store.load()
    var count = start
    while true {
        let write = script.next()
        try store.write(write.records, write.durability)
        count += 1
        let line = Array("\(count)\n".utf8)
        _ = unsafe Glibc.write(1, line, line.count)
    }
} catch {
    print("failed: \(error)")
    exit(1)
}
