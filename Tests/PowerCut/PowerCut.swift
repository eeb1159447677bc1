import Glibc
import LayoutClient

/// What Tests/Machines/power-cuts runs in the machine.
///
///     power-cut load URL JOURNALS              works until the power goes; prints "loading" three times first
///     power-cut check URL JOURNALS EXPORT      looks at what is left of it
@main struct PowerCut {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch (arguments.first, arguments.count) {
            case ("load", 3):
                await Load(url: arguments[1], journals: arguments[2]).run()
            case ("check", 4):
                let load = Load(url: arguments[1], journals: arguments[2])
                try await Check(load, export: arguments[3]).run()
            default:
                say("usage: power-cut load URL JOURNALS | check URL JOURNALS EXPORT")
                exit(2)
            }
        } catch {
            Self.end(error)
        }
    }

    static func end(_ error: any Error) -> Never {
        say("power-cut: \(error)")
        exit(1)
    }
}

/// Prints a line at once: the power may go in the next moment.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe write(STDOUT_FILENO, bytes, bytes.count)
}
