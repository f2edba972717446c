import Merging
import Testing

@Suite struct ModelCardTests {
  private func content(recipe: String = "return mk.merge {}\n") -> ModelCard.Content {
    ModelCard.Content(
      title: "my-merge",
      methods: [.init(prettyName: "Task Arithmetic", reference: "https://arxiv.org/abs/2212.04089")],
      baseModel: .init(reference: "org/base", isLocal: false),
      models: [
        .init(reference: "org/base", isLocal: false), .init(reference: "org/math@main", isLocal: false),
        .init(reference: "/home/me/models/code/", isLocal: true),
        .init(reference: "org/math", isLocal: false),
      ],
      recipe: recipe, recipeLanguage: .lua)
  }

  @Test func wholeCard() {
    #expect(
      ModelCard.text(content()) == """
        ---
        base_model:
        - org/base
        - org/math
        base_model_relation: merge
        library_name: transformers
        tags:
        - mergekit-lua
        - merge
        ---
        # my-merge

        This is a merge of language models made with mergekit-lua.

        ## Merge details

        The models were merged with the method [Task Arithmetic](<https://arxiv.org/abs/2212.04089>), with \
        [org/base](https://huggingface.co/org/base) as the base.

        ### Models merged

        - [org/math](https://huggingface.co/org/math)
        - code

        ### Recipe

        ```lua
        return mk.merge {}
        ```

        """)
  }

  @Test func cardOfLittle() {
    let card = ModelCard.text(
      ModelCard.Content(title: "x", methods: [], models: [], recipe: "", recipeLanguage: .yaml))
    #expect(card.hasPrefix("---\nlibrary_name: transformers\ntags:\n"))
    #expect(card.contains("The recipe computes the weights itself."))
    #expect(!card.contains("### Models merged"))
    #expect(card.hasSuffix("### Configuration\n\n```yaml\n\n```\n"))
  }

  @Test(arguments: [
    (["SLERP"], "with the method SLERP."), (["A", "B"], "with the methods A and B."),
    (["A", "B", "C"], "with the methods A, B and C."), (["a*b\n[c]"], #"with the method a\*b \[c\]."#),
  ])
  func methodsAreListed(names: [String], expected: String) {
    var content = content()
    content.baseModel = nil
    content.methods = names.map { .init(prettyName: $0) }
    #expect(ModelCard.text(content).contains("The models were merged \(expected)\n"))
  }

  @Test(arguments: [("plain", "```"), ("a ``` b", "````"), ("`````\n``", "``````")])
  func fenceIsLongerThanAnyInTheRecipe(recipe: String, fence: String) {
    #expect(
      ModelCard.text(content(recipe: recipe)).hasSuffix("\n\n\(fence)lua\n\(recipe)\n\(fence)\n"))
  }

  @Test(arguments: [
    ("org/name", false, "org/name", true), ("org/name@v1.0", false, "org/name", true),
    ("org/name", true, "name", false), ("/abs/olute/name", true, "name", false),
    ("/abs/olute/name", false, "name", false), ("../name/", true, "name", false),
    ("~/name", false, "name", false),
    ("./name", false, "name", false), ("..", true, "local model", false), ("/", true, "local model", false),
    ("/cache/models--org--na-me/snapshots/0a1b", true, "org/na-me", true),
    ("/cache/models--gpt2/snapshots/0a1b", true, "0a1b", false),
    ("a/b/c", false, "c", false), ("org/na me", false, "na me", false), ("name", false, "name", false),
    ("models/a@b", true, "a@b", false), ("org/", false, "org", false), ("", false, "local model", false),
  ])
  func publishedNames(reference: String, isLocal: Bool, name: String, isOnHub: Bool) {
    let model = ModelCard.Model(reference: reference, isLocal: isLocal)
    #expect(model.name == name)
    #expect(model.isOnHub == isOnHub)
  }

  @Test func namesThatYAMLMightMistakeAreQuoted() {
    var content = content()
    content.baseModel = nil
    content.models = ["01-ai/yi", "null/x"].map { .init(reference: $0, isLocal: false) }
    #expect(
      ModelCard.text(content).hasPrefix(
        "---\nbase_model:\n- \"01-ai/yi\"\n- null/x\nbase_model_relation: merge\n"))
  }

  @Test func titlesAreNoMarkup() {
    var content = content()
    content.title = "a\n# <b>`c`"
    #expect(ModelCard.text(content).contains("\n# a # \\<b\\>\\`c\\`\n"))
  }
}
