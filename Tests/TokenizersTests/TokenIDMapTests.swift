import Basics
import Testing
import Tokenizers

/// Special tokens' ids where the tokenizer is another model's.
@Suite struct TokenIDMapTests {
  private func vocabulary(_ texts: [String]) -> Vocabulary {
    var vocabulary = Vocabulary()
    for text in texts { vocabulary.add(AddedToken(text)) }
    return vocabulary
  }

  private func mapped(_ json: String, donor: String? = nil) throws -> (
    text: String, losses: [TokenIDMap.Loss]
  ) {
    let map = TokenIDMap(
      from: vocabulary(["<unk>", "<s>", "</s>", "a", "<pad>", "<img>", "old"]),
      to: vocabulary(["a", "</s>", "<end>", "<s>", "<img>", "<unk>", "<pad>"]))
    let (result, losses) = map.mapped(
      try JSON(parsing: Array(json.utf8)), donor: try donor.map { try JSON(parsing: Array($0.utf8)) })
    return (String(decoding: result.utf8(.compact), as: UTF8.self), losses)
  }

  @Test(arguments: [
    (
      #"{"bos_token_id":1,"eos_token_id":2,"pad_token_id":4}"#,
      #"{"bos_token_id":3,"eos_token_id":1,"pad_token_id":6}"#
    ),
    // Lists, lists of lists, nested configs, names that end otherwise.
    (#"{"eos_token_id":[2,4]}"#, #"{"eos_token_id":[1,6]}"#),
    (
      #"{"bad_words_ids":[[3],[1,2]],"suppress_tokens":[1]}"#,
      #"{"bad_words_ids":[[0],[3,1]],"suppress_tokens":[3]}"#
    ),
    (
      #"{"text_config":{"eos_token_id":2},"image_token_index":5}"#,
      #"{"text_config":{"eos_token_id":1},"image_token_index":4}"#
    ),
    // What is no id, what has no token, what is null.
    (
      #"{"hidden_size":2,"vocab_size":7,"num_tokens":1}"#, #"{"hidden_size":2,"vocab_size":7,"num_tokens":1}"#
    ),
    (
      #"{"pad_token_id":-1,"sep_token_id":99,"cls_token_id":null}"#,
      #"{"pad_token_id":-1,"sep_token_id":99,"cls_token_id":null}"#
    ),
    // Of a list, the tokens that are there.
    (#"{"eos_token_id":[2,6]}"#, #"{"eos_token_id":[1]}"#),
  ])
  func idsFollowTheirTokens(json: String, expected: String) throws {
    let found = try mapped(json)
    #expect(found.text == expected)
    #expect(found.losses.isEmpty)
  }

  @Test func aTokenThatIsNotThere() throws {
    let alone = try mapped(#"{"x":{"eos_token_id":6},"bos_token_id":1}"#)
    #expect(alone.text == #"{"x":{},"bos_token_id":3}"#)
    #expect(alone.losses == [.init(key: "x.eos_token_id", token: "old", replacement: nil)])
    // The model whose tokenizer it is says what takes its place.
    let helped = try mapped(#"{"eos_token_id":[6]}"#, donor: #"{"eos_token_id":2}"#)
    #expect(helped.text == #"{"eos_token_id":2}"#)
    #expect(helped.losses == [.init(key: "eos_token_id", token: "old", replacement: "2")])
    #expect(try mapped(#"{"eos_token_id":6}"#, donor: #"{"eos_token_id":70}"#).text == "{}")
  }
}
