import ArgumentParser
import Checkpoints
import ConfigRecipes
import Merging
import Scripting
import Suggestions
import Tensors

/// `mergekit-lua [run] FILE OUT`: runs a recipe or a config and writes the model that it returns.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a recipe or a config, and write the model that it returns.",
    discussion: """
      A file that ends in .lua is a recipe, one that ends in .yml or .yaml a config; of another file the text \
      decides. The options of mergekit-yaml that are not listed are accepted too.
      """)

  @Argument(
    help: "The recipe in Lua, or the config in YAML.", completion: .file(extensions: ["lua", "yml", "yaml"]))
  var file: String

  @Argument(help: "The directory to write; not needed with --dry-run.", completion: .directory)
  var out: String?

  @OptionGroup var options: MergeOptions

  @OptionGroup(visibility: .hidden) var peer: PeerOptions

  func validate() throws {
    guard out != nil || options.dryRun else { throw ValidationError("Missing expected argument '<out>'") }
    _ = try peer.applied(to: options.host)
  }

  func run() throws {
    let known = ModelCard.RecipeLanguage(ofFile: file)
    let text: [UInt8]
    do { text = try known == .yaml ? ConfigRecipe.read(file) : ScriptFile.read(file) } catch {
      let commands = MergekitLua.configuration.subcommands.map { $0._commandName }
      let nearest = nearestName(to: file, among: commands)
      throw LuaError("\(error)" + (nearest.map { " (did you mean the command '\($0)'?)" } ?? ""))
    }
    try MergeRun(file: file, out: out, options: options, peer: peer, policy: .refuseNonEmpty)
      .run(text, known ?? ModelCard.RecipeLanguage(ofText: text))
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
    let size = ByteSize.format(plan.layout.totalBytes)
    let shards = Numbers.counted(plan.layout.shards.count, "file")
    lines.append(
      "writes \(plan.tensors.count) tensors, \(size) in \(shards)" + (out.map { " to \($0)" } ?? ""))
    for use in reads {
      lines.append("reads \(ByteSize.format(use.bytes)) in \(use.tensors) tensors of \(use.path)")
    }
    return lines.joined(separator: "\n")
  }
}
