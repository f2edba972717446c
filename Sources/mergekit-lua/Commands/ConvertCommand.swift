import ArgumentParser
import Basics
import Merging
import Scripting
import SystemPackage

/// `mergekit-lua convert MODEL OUT`: writes a model as it is, in the format that everybody reads.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a model as safetensors: PyTorch's files, a model with an adapter, whatever opens.",
    discussion:
      "Tensors are read and written piece by piece, so that a model of any size takes little memory.")

  @Argument(
    help: "A model's directory, a file of weights, or MODEL+ADAPTER.", completion: .directory)
  var model: String

  @Argument(
    help: "The directory that it is written to, or a file that ends in .safetensors.", completion: .directory)
  var out: String

  @Option(help: "The format that is written.")
  var format = Format.safetensors

  @OptionGroup var writing: WritingOptions

  @OptionGroup var host: HostOptions

  /// What is written.
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case safetensors
  }

  func run() throws {
    let log = EventLog(host.log.logger)
    let progress = ProgressDisplay(isEnabled: !host.log.isQuiet, patience: host.progressAfter)
    var options = try host.hostOptions()
    options.output = writing.outputOptions(policy: .refuseNonEmpty)
    options.output.writesModelCard = false
    let scripts = try ScriptHost.make(root: "", options: options) { event in
      log.report(event)
      progress.report(event)
    }
    try scripts.write(scripts.open(model), to: out)
  }
}
