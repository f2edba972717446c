import ArgumentParser
import Basics
import ConfigRecipes
import Lua
import Merging
import Scripting
import Tensors

/// `mergekit-lua [run] FILE OUT`: runs a recipe or a config and writes the model that it returns.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a recipe or a config, and write the model that it returns.",
    discussion: """
      A file that ends in .lua is a recipe, one that ends in .yml or .yaml a config; of another file the text \
      decides. A recipe that returns several models gets a directory for each in OUT. The options of \
      mergekit-yaml that are not listed are accepted too.
      """)

  @Argument(
    help: "The recipe in Lua, or the config in YAML.", completion: .file(extensions: ["lua", "yml", "yaml"]))
  var file: String

  @Argument(
    help: "The directory to write, or a file that ends in .safetensors; not needed with --dry-run.",
    completion: .directory)
  var out: String?

  @OptionGroup var stages: StageOptions

  @OptionGroup(title: "Checkpoints without layers") var tensors: TensorSetOptions

  @OptionGroup var options: MergeOptions

  @OptionGroup(visibility: .hidden) var compatibility: CompatibilityOptions

  func validate() throws {
    guard out != nil || options.dryRun else { throw ValidationError("Missing expected argument '<out>'") }
    _ = try compatibility.applied(to: options.host)
  }

  func run() throws {
    let known = ModelCard.RecipeLanguage(ofFile: file)
    let text: [UInt8]
    do { text = try known == .yaml ? ConfigRecipe.read(file) : ScriptFile.read(file) } catch {
      let commands = MergekitLua.configuration.subcommands.map { $0._commandName }
      throw Diagnostic(error).suggesting(nearestName(to: file, among: commands), kind: "command")
    }
    let destination: MergeRun.Destination =
      stages.intermediateDir.map { .stagesTo(folder: $0, result: .path(out)) } ?? .result(out)
    var run = MergeRun(
      file: file, destination: destination, options: options, compatibility: compatibility,
      policy: .refuseNonEmpty)
    run.bare = tensors.bare
    run.readsFinished = stages.lazy && stages.intermediateDir != nil
    try run.run(text, known ?? ModelCard.RecipeLanguage(ofText: text))
  }
}

/// The plan of an output as `--dry-run` prints it.
struct PlanReport {
  let plan: MergePlan
  let out: String?

  /// The plans of the outputs of a run, and what it reads for all of them.
  static func text(_ reports: [PlanReport], reads: [FileUse]) -> String {
    var lines = reports.map { $0.table + "\n" }
    lines += reports.map(\.writes)
    for use in reads {
      lines.append(
        "reads \(ByteSize.format(use.bytes)) in \(use.tensors) tensors of \(DisplayText.plain("\(use.path)"))"
      )
    }
    return lines.joined(separator: "\n")
  }

  private var table: String {
    var table = TextTable(header: ["tensor", "shape", "dtype", "bytes", "shard"], rightAligned: [3])
    for (tensor, placement) in zip(plan.tensors, plan.layout.placements) {
      table.add([
        tensor.name, tensor.shape.description, tensor.dtype.torchName, String(placement.byteCount),
        plan.layout.shards[placement.shard].fileName,
      ])
    }
    return table.text
  }

  private var writes: String {
    let size = ByteSize.format(plan.layout.totalBytes)
    let shards = Numbers.counted(plan.layout.shards.count, "file")
    return "writes \(plan.tensors.count) tensors, \(size) in \(shards)"
      + (out.map { " to \(DisplayText.plain($0))" } ?? "")
  }
}
