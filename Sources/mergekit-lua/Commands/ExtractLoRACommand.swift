import ArgumentParser
import Merging
import Scripting

/// `mergekit-lua extract-lora --model M --base-model B OUT`: the adapter that makes one model of another.
struct ExtractLoRACommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract-lora",
    abstract: "Write the adapter that makes one model of another, as PEFT reads it.",
    discussion: """
      The difference of each weight is cut to its largest singular values. Embeddings, head, norms and biases that differ \
      are saved as they are. How much of the difference is lost is printed by layer and module.
      """)

  @OptionGroup var extraction: ExtractionOptions

  @Argument(help: "The directory that the adapter is written to.", completion: .directory)
  var out: String

  @OptionGroup var writing: WritingOptions

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("Write README.md, and the recipe beside it."))
  var writeModelCard = OutputOptions().writesModelCard

  @OptionGroup var host: HostOptions

  func run() throws {
    var output = writing.outputOptions(policy: .refuseNonEmpty)
    output.writesModelCard = writeModelCard
    try Extraction(options: extraction, out: out, host: host, output: output).run()
  }
}
