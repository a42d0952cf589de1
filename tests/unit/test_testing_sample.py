"""The fictional chain: deterministic, distinct, and nothing in it can be real."""

from __future__ import annotations

import re
from dataclasses import asdict

import phonenumbers
import pytest

from quietline.testing.sample import HUB, STORES, Chain, Customer, sample_chain
from quietline.vault.importing import read_batch
from quietline.vault.schema import DataClass

RESERVED = re.compile(r"\+(442079460\d{3}|441632960\d{3}|447700900\d{3}|1\d{3}55501\d{2})")


@pytest.fixture(scope="module")
def chain() -> Chain:
    return sample_chain()


def test_the_same_seed_gives_the_same_chain(chain: Chain) -> None:
    assert sample_chain() == chain
    assert sample_chain(seed=7).customers != chain.customers


def test_two_hundred_customers_with_one_to_four_orders(chain: Chain) -> None:
    assert len(chain.customers) == 200
    assert {len(customer.orders) for customer in chain.customers} == {1, 2, 3, 4}
    assert 20 <= sum(bool(customer.note) for customer in chain.customers) <= 60


def test_every_number_is_reserved_valid_in_form_and_given_once(chain: Chain) -> None:
    numbers = [customer.phone for customer in chain.customers]
    assert all(RESERVED.fullmatch(number) for number in numbers)
    assert all(phonenumbers.is_possible_number(phonenumbers.parse(number)) for number in numbers)
    assert len(set(numbers)) == len(numbers)
    assert not any(re.fullmatch(r"\+4420794600\d{2}|\+4420794601\d{2}", number) for number in numbers)
    assert {number[:5] for number in numbers} >= {"+4477", "+4416", "+4420"}


def test_addresses_and_mail_cannot_exist(chain: Chain) -> None:
    for customer in chain.customers:
        assert re.fullmatch(r"[a-z.'-]+\d+@example\.(com|org)", customer.fields["contact.email"])
        assert re.search(r" [QVX][A-Z]\d{1,2} \d[A-Z]{2}$", customer.fields["delivery.address"])


def test_orders_have_distinct_references_and_a_total(chain: Chain) -> None:
    orders = [order for customer in chain.customers for order in customer.orders]
    assert len({order.reference for order in orders}) == len(orders)
    for order in orders:
        assert re.fullmatch(r"HB-[2-9A-HJ-NP-Z]{4}-\d{5}", order.reference)
        assert re.fullmatch(r"£\d+\.\d\d", order.total)
        assert order.store in (*STORES, HUB)
        assert all(re.fullmatch(r".+ ×[12]", line) for line in order.items.split("\n"))


def test_the_vaults_importer_takes_them_all(chain: Chain) -> None:
    checked = read_batch([customer.as_import() for customer in chain.customers], {"brand"})
    assert len(checked) == 200
    assert {name for customer in checked for name in customer.fields} == {
        "contact.name",
        "contact.phone",
        "contact.email",
        "delivery.address",
    }


def test_keys_are_distinct_and_a_customer_prints_without_its_data(chain: Chain) -> None:
    assert len({customer.key for customer in chain.customers}) == 200
    printed = repr(chain.customers[0])
    assert chain.customers[0].phone not in printed
    assert chain.customers[0].fields["contact.name"] not in printed


def test_six_agents_one_lapsed(chain: Chain) -> None:
    assert len({person.login for person in chain.staff}) == 6
    classes = {data_class.value for data_class in DataClass}
    assert all(set(person.certificates) <= classes for person in chain.staff)
    assert all(person.store in (*STORES, HUB) for person in chain.staff)
    assert chain.lapsed().login == "bea"
    assert [p.login for p in chain.staff if any(days < 0 for days in p.certificates.values())] == ["bea"]
    assert len({language for person in chain.staff for language in person.languages}) > 2


def test_it_is_plain_data(chain: Chain) -> None:
    plain = asdict(chain.customers[0])
    assert set(plain) == {"key", "controller", "fields", "orders", "note"}
    assert set(plain["orders"][0]) == {"reference", "status", "items", "total", "store"}
    assert isinstance(chain.customers[0], Customer)


@pytest.mark.parametrize("count", [0, 801])
def test_a_size_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 800"):
        sample_chain(customers=count)


def test_the_largest_chain_still_has_distinct_numbers() -> None:
    assert len({customer.phone for customer in sample_chain(customers=800).customers}) == 800
