import ArgumentParser
import Checkpoints
import Merging
import Scripting
import Suggestions
import SystemPackage
import Tensors

/// `mergekit-lua [run] FILE OUT`: runs a recipe and writes the model that it returns.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a recipe and write the model that it returns.")

  @Argument(help: "The recipe, a Lua file.", completion: .file(extensions: ["lua"]))
  var file: String

  @Argument(help: "The directory to write; not needed with --dry-run.", completion: .directory)
  var out: String?

  @Option(help: ArgumentHelp("Store all floating-point tensors as this.", valueName: "dtype"))
  var dtype: DType?

  @Option(help: ArgumentHelp("The most data of a shard.", valueName: "size"))
  var outShardSize = ByteCount(bytes: 5_000_000_000)

  @Flag(help: "Replace OUT if it exists and is not empty.")
  var force = false

  @Flag(help: "Print the plan, and write nothing.")
  var dryRun = false

  @OptionGroup var host: HostOptions

  func validate() throws {
    guard out != nil || dryRun else { throw ValidationError("Missing expected argument '<out>'") }
  }

  func run() throws {
    var options = try host.hostOptions()
    options.dtype = dtype
    options.maximumShardBytes = outShardSize.bytes
    options.policy = force ? .replace : .refuseNonEmpty
    options.isDryRun = dryRun
    let started = ProgressDisplay.now()
    do { _ = try ScriptFile.read(file) } catch {
      let commands = MergekitLua.configuration.subcommands.map { $0._commandName }
      let nearest = nearestName(to: file, among: commands)
      throw LuaError("\(error)" + (nearest.map { " (did you mean the command '\($0)'?)" } ?? ""))
    }
    if let out, !dryRun {
      // A recipe may compute for long; what is wrong with OUT is said before.
      try ModelWriter.checkReplaceable(FilePath(out), options.policy)
      try OutputDirectory(path: FilePath(out), policy: options.policy).discard()
    }
    let progress = ProgressDisplay(isEnabled: !host.quiet)
    let script = try host.makeHost(
      root: FilePath(file).removingLastComponent().string, options: options, progress: progress)
    let model = try script.run(path: file)
    let logger = host.logger
    logger.debug("\(options.threads) threads, seed \(options.seed)")
    for source in model.checkpoints {
      let checkpoint = source.checkpoint
      logger.debug(
        "\(source.label): \(checkpoint.tensors.count) tensors, \(ByteSize.format(checkpoint.totalBytes)) in \(checkpoint.files.count) \(checkpoint.files.count == 1 ? "file" : "files"), \(source.architecture.numLayers) layers"
      )
    }
    if dryRun {
      let (plan, reads) = try script.plan(model)
      return print(PlanReport(plan: plan, reads: reads, out: out).text)
    }
    try script.write(model, to: out!)
    let seconds = Numbers.fixed(ProgressDisplay.now() - started, 2)
    logger.info("wrote \(out!): \(model.names.count) tensors in \(seconds) s")
  }
}

/// The plan of an output as `--dry-run` prints it.
struct PlanReport {
  let plan: MergePlan
  let reads: [FileUse]
  let out: String?

  var text: String {
    var table = TextTable(header: ["tensor", "shape", "dtype", "bytes", "shard"], rightAligned: [3])
    for (tensor, placement) in zip(plan.tensors, plan.layout.placements) {
      table.add([
        tensor.name, tensor.shape.description, tensor.dtype.torchName, String(placement.byteCount),
        plan.layout.shards[placement.shard].fileName,
      ])
    }
    var lines = [table.text, ""]
    let shards = plan.layout.shards.count
    lines.append(
      "writes \(plan.tensors.count) tensors, \(ByteSize.format(plan.layout.totalBytes)) in \(shards) \(shards == 1 ? "file" : "files")"
        + (out.map { " to \($0)" } ?? ""))
    for use in reads {
      lines.append("reads \(ByteSize.format(use.bytes)) in \(use.tensors) tensors of \(use.path)")
    }
    return lines.joined(separator: "\n")
  }
}
