import ArgumentParser
import Glibc

/// `layout-bench report`.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Draws results as one page."
    )

    @Argument(help: "Files that '--json' has written.")
    var files: [String]

    @Option(name: .shortAndLong, help: "The page to write.")
    var output: String

    func run() throws {
        let page = Array(try ReportPage(files: self.files).html.utf8)
        let file = unsafe open(self.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw BenchError("write '\(self.output)'", errno: errno, "name another file with -o") }
        defer { close(file) }
        var done = 0
        while done < page.count {
            let count = unsafe page[done...].withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw BenchError("write '\(self.output)'", errno: errno, "make room for it") }
            done += count
        }
    }
}
