import ArgumentParser
import Basics
import Glibc
import Logging
import Lua
import Merging
import Scripting
import Tensors

/// How much is said.
struct LogOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("Print nothing but warnings and errors."))
  var quiet: Bool?

  @Flag(name: [.short, .long], help: "Increase verbosity.")
  var verbose: Int

  @Option(
    help: ArgumentHelp("Format of messages and events on standard error: text, or json, an object a line."))
  var logFormat: LogFormat = .text

  var isQuiet: Bool { quiet ?? false }

  var logger: Logger { .make(level: isQuiet ? .warning : verbose > 0 ? .debug : .info) }
}

/// Options that every command which runs Lua has.
struct ScriptOptions: ParsableArguments {
  @Option(
    name: .customLong("stdlib"),
    help: ArgumentHelp("Use an edited copy of the standard library.", valueName: "dir"))
  var standardLibrary: String?

  @Option(help: ArgumentHelp("Memory limit for scripts; 0 is none.", valueName: "size"))
  var memoryLimit: ByteCount = ByteCount(bytes: 256_000_000)

  @Option(
    help: ArgumentHelp("Wall-clock limit for the run. (default: none)", valueName: "seconds"))
  var timeLimit: Double?

  @Option(help: ArgumentHelp("Lua instructions that a script may run.", visibility: .private))
  var instructionLimit: Int = 1_000_000_000

  func validate() throws {
    if let timeLimit, !(timeLimit > 0 && timeLimit.isFinite) {
      throw ValidationError("--time-limit: expected seconds above 0, got \(timeLimit)")
    }
  }

  func hostOptions(threads: Int = 1, seed: UInt64 = ScriptHost.Options.defaultSeed, tileSize: Int? = nil)
    throws
    -> ScriptHost.Options
  {
    var limits = LuaLimits(memoryBytes: memoryLimit.bytes, instructions: instructionLimit)
    limits.seconds = timeLimit
    return ScriptHost.Options(
      threads: threads, seed: seed, tileSize: tileSize, limits: limits,
      standardLibrary: try standardLibrary.map { try StandardLibrary(directory: $0) } ?? .embedded)
  }
}

/// Options that every command which computes tensors by scripts has.
struct HostOptions: ParsableArguments {
  @Option(
    name: [.long, .customShort("j", allowingJoined: true)], help: "Worker threads. (default: all cores)")
  var threads: Int?

  @Option(help: "Random seed. (default: \(ScriptHost.Options.defaultSeed))")
  var seed: UInt64?

  @Option(
    help: ArgumentHelp("Memory limit for matrix decompositions.", valueName: "size"))
  var matrixMemory: ByteCount = ByteCount(bytes: 2_000_000_000)

  @Option(help: ArgumentHelp("Elements of a tile.", visibility: .private))
  var tileSize: Int?

  @Option(
    help: ArgumentHelp("Seconds of a merge before its progress is shown.", visibility: .private))
  var progressAfter = 1.0

  @OptionGroup var script: ScriptOptions

  @OptionGroup var log: LogOptions

  func validate() throws {
    if let threads { try Self.check(threads: threads) }
    if let tileSize, tileSize < 1 {
      throw ValidationError("--tile-size: expected at least 1, got \(tileSize)")
    }
  }

  static func check(threads: Int, option: String = "--threads") throws {
    guard (1...1024).contains(threads) else {
      throw ValidationError("\(option): expected 1 to 1024, got \(threads)")
    }
  }

  func hostOptions() throws -> ScriptHost.Options {
    var options = try script.hostOptions(
      threads: threads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
      seed: seed ?? ScriptHost.Options.defaultSeed,
      tileSize: tileSize)
    options.matrixMemory = matrixMemory.bytes
    return options
  }
}

extension ScriptHost {
  /// A host for scripts in `root`, which is stopped by signals and whose words go to standard error.
  static func make(
    root: String, options: Options, report: @escaping MergeEventHandler,
    placed: @escaping (_ warning: Diagnostic, _ line: Int?) -> Diagnostic = { warning, _ in warning }
  ) throws -> ScriptHost {
    try ScriptHost(
      root: root, options: options, messages: Messages(report: report, placed: placed),
      interrupt: Signals.interrupt,
      onHang: { reason in
        switch reason {
        case .interrupted: Signals.giveUp("interrupted")
        case .outOfTime: Signals.giveUp("the run took longer than its limit (--time-limit)")
        case .hung:
          Signals.giveUp("script hangs in a library function of Lua, such as a pattern that never ends")
        }
      })
  }
}

/// A size in bytes: `5GB`, `500M`, `1GiB`.
struct ByteCount: ExpressibleByArgument {
  var bytes: Int

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    guard let bytes = try? ByteSize.parse(argument) else { return nil }
    self.bytes = bytes
  }

  var defaultValueDescription: String {
    bytes % (1 << 20) == 0 ? "\(bytes >> 20)MiB" : ByteSize.format(bytes)
  }
}

extension DType: ExpressibleByArgument {
  package init?(argument: String) {
    guard let dtype = DType(name: argument), dtype.isArithmetic else { return nil }
    self = dtype
  }

  package static var allValueStrings: [String] { DType.allCases.filter(\.isArithmetic).map(\.torchName) }

  /// None: the names say it.
  package static var allValueDescriptions: [String: String] { [:] }

  package var defaultValueDescription: String { torchName }
}
