import ArgumentParser

/// The project's benchmarks: each figure beside the floor that it can be compared with.
@main
struct LayoutBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout-bench",
        abstract: "Measures layoutd against what the same machine does without it.",
        discussion: """
            HOW TO READ THE NUMBERS

            Times differ between machines and moments, so the figures that count are ratios to a floor: the least that \
            anybody could do in its place, measured in the same run. What is compared is measured in turns, round by \
            round; a ratio is taken in each round, and the table shows the median of them, with the least and greatest. \
            'unclear' is a goal that the middle half of the rounds lies on both sides of: the machine was too busy \
            (look at the load average), or the goal too near; measure again, with more --rounds. Warm-up rounds are not \
            counted. The clock is CLOCK_MONOTONIC, the scheduling class the usual one. All processes share a CPU unless \
            --pin says otherwise: left free, a server can end up where waking it costs more than the call.

            roundtrip  One call at a time, over a Unix socket and TCP, to a 'layoutd serve' of its own. The same caller \
            sends the same bytes to the floor, an echo, and to libtirpc's svc_run. The goal is for a LAYOUTGET of a range \
            that is held; one that grows is written down before it is answered, and stands beside it. Then the same among \
            idle connections.

            throughput Many calls at a time, on one connection and on many, and what they cost the server.

            recall     A change while clients hold what it changes, against the bare system call.

            scale      Memory and answers with many layouts; the calls that it takes to cover a file of many extents.

            io         Reads and writes by the client library, against pread(2) and pwrite(2).

            pointer    Loads and stores through a leased pointer of the client library. The floor is mmap(2) of the \
            same file. Goal: at most 1.01. 'plain again' shows what is noise. Then the price of a guarded access.

            engine     The lease engine alone, without I/O: grants and returns, changes with many holders, files with \
            many layouts. Its floors are a dictionary's insertion and removal, and its own smallest case.

            Build with optimisation: swift build -c release.
            """,
        subcommands: [
            RoundTripCommand.self, ThroughputCommand.self, RecallCommand.self, ScaleCommand.self,
            InputOutputCommand.self, PointerCommand.self, EngineCommand.self, AllCommand.self, RPCPeer.self,
            Holders.self,
        ]
    )
}

/// `layout-bench roundtrip`.
struct RoundTripCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roundtrip",
        abstract: "Times single calls over a Unix socket and TCP, against an echo and libtirpc."
    )

    @OptionGroup var options: CommonOptions
    @OptionGroup var calls: CallOptions
    @OptionGroup var idle: IdleOptions

    func run() async throws {
        let roundTrip = RoundTrip(options: self.options, calls: self.calls.calls)
        let idle = IdleConnections(options: self.options, count: self.idle.idle)
        try self.options.print([
            try await MeasuringThread.run { try roundTrip.run() }, try await MeasuringThread.run { try idle.run() },
        ])
    }
}

/// `layout-bench throughput`.
struct ThroughputCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "throughput",
        abstract: "Times many calls in flight, against an echo and libtirpc."
    )

    @OptionGroup var options: CommonOptions
    @OptionGroup var calls: CallOptions

    func run() async throws {
        let benchmark = Throughput(options: self.options, calls: self.calls.calls)
        try self.options.print([try await MeasuringThread.run { try benchmark.run() }])
    }
}

/// `layout-bench recall`.
struct RecallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recall",
        abstract: "Times changes of what clients hold, against the bare system call."
    )

    @OptionGroup var options: CommonOptions
    @OptionGroup var holders: HolderOptions

    func run() async throws {
        let benchmark = self.holders.benchmark(self.options)
        try self.options.print([try await MeasuringThread.run { try benchmark.run() }])
    }
}

/// `layout-bench scale`.
struct ScaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Measures memory and answers as layouts become many."
    )

    @OptionGroup var options: CommonOptions
    @OptionGroup var scale: ScaleOptions

    func run() async throws {
        let benchmark = self.scale.benchmark(self.options)
        try self.options.print([try await MeasuringThread.run { try benchmark.run() }])
    }
}

/// How many calls a round has.
struct CallOptions: ParsableArguments, Sendable {
    @Option(help: "Calls of each kind in each round of 'roundtrip', and in each sample of 'throughput'.")
    var calls = 1000

    func validate() throws {
        guard (1...1_000_000).contains(self.calls) else { throw ValidationError("--calls takes 1 to 1000000") }
    }
}

/// How many connections do nothing.
struct IdleOptions: ParsableArguments, Sendable {
    @Option(help: "Idle connections in 'roundtrip'.")
    var idle = 2000

    func validate() throws {
        guard (1...100_000).contains(self.idle) else { throw ValidationError("--idle takes 1 to 100000") }
    }
}

/// Who holds what in `recall`.
struct HolderOptions: ParsableArguments, Sendable {
    @Option(help: "The most holders in 'recall'.")
    var holders = 1000

    @Option(help: "The most bytes that a holder has touched in 'recall'.")
    var touched = 1 << 30

    func validate() throws {
        guard (2...10_000).contains(self.holders) else { throw ValidationError("--holders takes 2 to 10000") }
        guard self.touched >= 4096 else { throw ValidationError("--touched takes 4096 or more") }
    }

    func benchmark(_ options: CommonOptions) -> RecallLatency {
        RecallLatency(options: options, holders: self.holders, touched: self.touched)
    }
}

/// How much there is in `scale`.
struct ScaleOptions: ParsableArguments, Sendable {
    @Option(help: "Layouts in 'scale'.")
    var layouts = 1_000_000

    @Option(help: "Extents of the file that 'scale' covers.")
    var extents = 100_000

    func validate() throws {
        guard (100...1_900_000).contains(self.layouts) else { throw ValidationError("--layouts takes 100 to 1900000") }
        guard (2...1_000_000).contains(self.extents) else { throw ValidationError("--extents takes 2 to 1000000") }
    }

    func benchmark(_ options: CommonOptions) -> Scale {
        Scale(options: options, layouts: self.layouts, extents: self.extents)
    }
}

/// `layout-bench io`.
struct InputOutputCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "io",
        abstract: "Times reads and writes by the library, against pread and pwrite."
    )

    @OptionGroup var options: CommonOptions

    func run() async throws {
        try self.options.print([try await InputOutput(options: self.options).run()])
    }
}

/// `layout-bench pointer`.
struct PointerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pointer",
        abstract: "Times loads and stores through a leased pointer, against plain mmap."
    )

    @OptionGroup var options: CommonOptions

    func run() async throws {
        try self.options.print([try await PointerAccess(options: self.options).run()])
    }
}

/// `layout-bench engine`.
struct EngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Times the lease engine alone."
    )

    @OptionGroup var options: CommonOptions

    func run() async throws {
        let benchmark = EngineThroughput(options: self.options)
        try self.options.print([try await MeasuringThread.run { try benchmark.run() }])
    }
}

/// `layout-bench all`.
struct AllCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "all", abstract: "Runs every benchmark.")

    @OptionGroup var options: CommonOptions
    @OptionGroup var calls: CallOptions
    @OptionGroup var idle: IdleOptions
    @OptionGroup var holders: HolderOptions
    @OptionGroup var scale: ScaleOptions

    func run() async throws {
        let options = self.options
        let roundTrip = RoundTrip(options: options, calls: self.calls.calls)
        let idle = IdleConnections(options: options, count: self.idle.idle)
        let throughput = Throughput(options: options, calls: self.calls.calls)
        let recall = self.holders.benchmark(options)
        let scale = self.scale.benchmark(options)
        let engine = EngineThroughput(options: options)
        try options.print([
            try await MeasuringThread.run { try roundTrip.run() }, try await MeasuringThread.run { try idle.run() },
            try await MeasuringThread.run { try throughput.run() }, try await MeasuringThread.run { try recall.run() },
            try await MeasuringThread.run { try scale.run() }, try await InputOutput(options: options).run(),
            try await PointerAccess(options: options).run(), try await MeasuringThread.run { try engine.run() },
        ])
    }
}
